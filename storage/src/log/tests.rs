//! The log on the simulated disk.

mod cases;
mod model;
mod world;
