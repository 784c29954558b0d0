//! A store after its process was killed: how long it takes until it is there again, and what it holds in memory.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use natrium_storage::engine::EngineOptions;
use natrium_storage::message::Filter;
use natrium_storage::store::Admission;

use crate::error::RigError;
use crate::figures::Figures;
use crate::process::{cpu_time, resident_bytes};
use crate::rig::{Rig, message, on_shard};
use crate::scenario::{Part, Scale};

/// # Errors
/// What a part says.
pub(crate) fn one_subject(folder: &Path, scale: Scale) -> Result<Figures, RigError> {
    killed_and_recovered(WRITE_ONE, folder, scale)
}

/// # Errors
/// What a part says.
pub(crate) fn many_subjects(folder: &Path, scale: Scale) -> Result<Figures, RigError> {
    killed_and_recovered(WRITE_MANY, folder, scale)
}

/// # Errors
/// What the store says; a name that is no part's.
pub(crate) fn part(name: &str, folder: &Path, scale: Scale) -> Result<Figures, RigError> {
    let folder: PathBuf = folder.to_owned();
    let kind = match name {
        WRITE_ONE | RECOVER_ONE => Kind::OneSubject,
        WRITE_MANY | RECOVER_MANY => Kind::SubjectEach,
        _ => return Err(RigError::Wrong(format!("{name} is no scenario and no part of one"))),
    };
    let is_write = matches!(name, WRITE_ONE | WRITE_MANY);
    on_shard(move || {
        let folder = folder.clone();
        async move {
            if is_write { write(&folder, kind, scale).await } else { recover(&folder, kind, scale).await }
        }
    })
}

#[derive(Clone, Copy)]
enum Kind {
    OneSubject,
    SubjectEach,
}

impl Kind {
    fn messages(self, scale: Scale) -> u64 {
        match self {
            Self::OneSubject => scale.of(10_000_000, 100_000),
            Self::SubjectEach => scale.of(3_000_000, 50_000),
        }
    }

    fn subject(self, number: u64, text: &mut Vec<u8>) {
        use std::io::Write;
        text.clear();
        let written = match self {
            Self::OneSubject => text.write_all(b"orders.new"),
            Self::SubjectEach => write!(text, "orders.{}.{:07}", number % 50, number),
        };
        written.expect("a Vec takes all bytes");
    }
}

/// A writer that is killed once it says that all is acknowledged, then a reader of what it left.
fn killed_and_recovered(writer: &str, folder: &Path, scale: Scale) -> Result<Figures, RigError> {
    let part = |name: &str| Part { name: name.to_owned(), folder: folder.to_owned(), scale };
    let mut child = part(writer)
        .command()?
        .stdout(Stdio::piped())
        .spawn()
        .map_err(RigError::io("starting the writer"))?;
    let mut line = String::new();
    if let Some(output) = child.stdout.take() {
        BufReader::new(output).read_line(&mut line).map_err(RigError::io("hearing from the writer"))?;
    }
    child.kill().map_err(RigError::io("killing the writer"))?;
    let status = child.wait().map_err(RigError::io("waiting for the writer"))?;
    if !line.starts_with(WRITTEN) {
        return Err(RigError::Part { part: writer.to_owned(), status: status.to_string() });
    }
    let reader = part(if writer == WRITE_ONE { RECOVER_ONE } else { RECOVER_MANY });
    let output = reader.command()?.output().map_err(RigError::io("starting the reader"))?;
    if !output.status.success() {
        return Err(RigError::Part { part: reader.name, status: output.status.to_string() });
    }
    let mut figures = Figures::read(&line);
    figures.extend(Figures::read(&String::from_utf8_lossy(&output.stdout)));
    Ok(figures)
}

/// Appends all, says so, and goes on doing nothing until it is killed.
async fn write(folder: &Path, kind: Kind, scale: Scale) -> Result<Figures, RigError> {
    let rig = Rig::open(folder, EngineOptions::default()).await?;
    let (store, _) = rig.store(0).await?;
    let count = kind.messages(scale);
    let (mut subject, payload) = (Vec::new(), [b'x'; 128]);
    let begun = Instant::now();
    let mut last = 0;
    for number in 0..count {
        kind.subject(number, &mut subject);
        let before = last;
        last = store.append(&message(&subject, &payload, number), Admission::Checked).await?.commit;
        // Some thousands in flight.
        if number % 2000 == 1999 {
            store.committed(before.saturating_sub(1)).await?;
        }
    }
    store.committed(last).await?;
    println!("{WRITTEN}\t{}", count as f64 / begun.elapsed().as_secs_f64());
    std::future::pending().await
}

async fn recover(folder: &Path, kind: Kind, scale: Scale) -> Result<Figures, RigError> {
    let count = kind.messages(scale);
    let resident = resident_bytes()?;
    let (begun, cpu) = (Instant::now(), cpu_time()?);
    let rig = Rig::open(folder, EngineOptions { cache_bytes: 1 << 20, ..EngineOptions::default() }).await?;
    let (store, recovery) = rig.store(0).await?;
    let (took, cpu) = (begun.elapsed(), cpu_time()?.saturating_sub(cpu));
    let state = store.state().await?;
    if state.messages != count || state.last_seq != count || !recovery.lost.is_empty() {
        return Err(RigError::Wrong(format!("{} of {count} messages came back", state.messages)));
    }
    // What was full and had no footer yet gets one now; until then it is in memory as a block that is written to is.
    natrium_shards::sleep(REST).await;
    let resident = resident_bytes()?.saturating_sub(resident) as f64;
    let known = store.memory_bytes() as f64;
    let mut figures = Figures::default();
    figures.add("recovery s", took.as_secs_f64());
    figures.add("CPU s", cpu.as_secs_f64());
    figures.add("blocks", recovery.blocks as f64);
    figures.add("blocks read whole", recovery.scanned as f64);
    figures.add("resident MB", resident / 1e6);
    figures.add("memory the store knows of, MB", known / 1e6);
    match kind {
        Kind::OneSubject => {
            // The engine and the block that is written to are there once, whatever the store holds; the rest grows with it.
            let more = (100e6 / count as f64 - 1.0) * known;
            figures.add("MB at rest with 100 M messages", (resident + more) / 1e6);
        }
        Kind::SubjectEach => {
            let subjects = store.subject_totals(Filter::All);
            let text: usize = subjects.iter().map(|(subject, _)| subject.len()).sum();
            let over = |bytes: f64| (bytes - text as f64) / subjects.len() as f64;
            figures.add("B a subject over its bytes", over(known));
            figures.add("resident B a subject over its bytes", over(resident));
        }
    }
    store.close().await?;
    rig.engine.close().await?;
    Ok(figures)
}

const WRITE_ONE: &str = "write, 1 subject";
const RECOVER_ONE: &str = "recover, 1 subject";
const WRITE_MANY: &str = "write, a subject a message";
const RECOVER_MANY: &str = "recover, a subject a message";
/// The figure with which a writer says that it is done.
const WRITTEN: &str = "written, messages/s";
/// In which what was read whole gets its footer.
const REST: Duration = Duration::from_millis(500);
