//! `natrium-parity [--check]`: writes `test_parity.db` from the marks in our tests, or says where the two disagree.

mod database;
mod marks;
mod table;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let check = std::env::args().nth(1).as_deref() == Some("--check");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let parity = root.join("tests/parity");
    let marks = marks::scan(&root)?;
    let rows = table::build(
        &table::read_go_tests(&parity.join("go_tests.csv"))?,
        &marks,
        &table::read_exemptions(&parity.join("not_applicable"))?,
    )?;
    let path = root.join("test_parity.db");
    if check {
        let differences = database::differences(&path, &rows)?;
        differences.iter().for_each(|difference| eprintln!("{difference}"));
        if !differences.is_empty() {
            eprintln!("test_parity.db and the sources disagree: run `cargo run -p natrium-parity`");
            return Ok(ExitCode::FAILURE);
        }
    } else {
        database::write(&path, &rows)?;
    }
    for status in ["mapped", "not_applicable", "unmapped"] {
        println!("{status}: {}", rows.iter().filter(|row| row.status == status).count());
    }
    Ok(ExitCode::SUCCESS)
}
