//! `natrium store check|dump|repair PATH`: a look at a store on disk while no server has it open.

mod key;

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;

use futures_lite::future::block_on;
use natrium_storage::disk::blocking::BlockingDisk;
use natrium_storage::inspect::{
    DumpedMessage, InspectError, InspectOptions, Repaired, Report, check, dump, repair,
};

use self::key::{KeyArguments, KeyError, KeySource};

const USAGE: &str = "\
Usage: natrium store check|dump|repair FOLDER [options]

Looks at the folder of a stream's messages. No server may have it open.

    check             what is there, what is damaged, and what opening it would do; changes nothing
    dump              its messages; changes nothing
    repair            writes damaged blocks anew without what is damaged; what is replaced is moved aside

    --log FOLDER      the folder of the commit log, to take in what it holds; repair needs it
    --key-file FILE   where the server's encryption key is, to look into blocks that are encrypted
    --key-env NAME    the same, of an environment variable
    --account NAME    whose stream it is, where the folder is not ACCOUNT/streams/STREAM/msgs
    --stream NAME     and which
    --stream-key FILE the stream's wrapped key (default: FOLDER/../meta.key)
    --json            for programs: one document, or one for each message
    --payload         dump the payloads of messages too

Exit codes: 0 clean, 1 damage found, 2 cannot tell.
";

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Arguments {
    verb: Verb,
    folder: PathBuf,
    log: Option<PathBuf>,
    key: KeyArguments,
    is_json: bool,
    has_payload: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Check,
    Dump,
    Repair,
}

#[derive(Debug, thiserror::Error)]
enum StoreCommandError {
    #[error(transparent)]
    Inspect(#[from] InspectError),
    #[error("{}: {source}", path.display())]
    Path {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("standard output: {0}")]
    Output(#[from] io::Error),
}

/// Runs the command whose arguments behind `store` these are.
pub(crate) fn run(arguments: &[String]) -> ExitCode {
    let Some(arguments) = parse(arguments) else {
        eprint!("{USAGE}");
        return ExitCode::from(CANNOT_TELL);
    };
    match execute(&arguments) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("natrium: {error}");
            ExitCode::from(CANNOT_TELL)
        }
    }
}

/// `None` where they are not understood.
fn parse(arguments: &[String]) -> Option<Arguments> {
    let (verb, rest) = arguments.split_first()?;
    let verb = match verb.as_str() {
        "check" => Verb::Check,
        "dump" => Verb::Dump,
        "repair" => Verb::Repair,
        _ => return None,
    };
    let (mut folder, mut log, mut is_json, mut has_payload) = (None, None, false, false);
    let mut key = KeyArguments::default();
    let mut rest = rest.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--json" => is_json = true,
            "--payload" if verb == Verb::Dump => has_payload = true,
            "--log" => log = Some(PathBuf::from(rest.next()?)),
            "--key-file" if key.source.is_none() => {
                key.source = Some(KeySource::File(PathBuf::from(rest.next()?)));
            }
            "--key-env" if key.source.is_none() => {
                key.source = Some(KeySource::Environment(rest.next()?.clone()));
            }
            "--account" => key.account = Some(rest.next()?.clone()),
            "--stream" => key.stream = Some(rest.next()?.clone()),
            "--stream-key" => key.stream_key = Some(PathBuf::from(rest.next()?)),
            flag if flag.starts_with('-') => return None,
            path if folder.is_none() => folder = Some(PathBuf::from(path)),
            _ => return None,
        }
    }
    // Whose key it is means nothing without one.
    let is_keyless = key.source.is_none() && key != KeyArguments::default();
    if is_keyless || (verb == Verb::Repair && log.is_none()) {
        return None;
    }
    Some(Arguments { verb, folder: folder?, log, key, is_json, has_payload })
}

fn execute(arguments: &Arguments) -> Result<u8, StoreCommandError> {
    let disk = BlockingDisk::new(Path::new("/"));
    let folder = below_root(&arguments.folder)?;
    let log = arguments.log.as_deref().map(below_root).transpose()?;
    let stream_key = arguments.key.stream_key.as_deref().map(below_root).transpose()?;
    let (key, told) = key::open(&disk, &folder, stream_key, &arguments.key)?;
    if let Some(told) = told {
        eprintln!("natrium: {told}");
    }
    let options = InspectOptions { folder, log, key };
    let mut out = io::BufWriter::new(io::stdout().lock());
    match arguments.verb {
        Verb::Check => {}
        Verb::Dump => {
            let mut failed = Ok(());
            block_on(dump(&disk, &options, |message| {
                if failed.is_ok() {
                    failed = out.write_all(line_of(&message, arguments).as_bytes());
                }
            }))?;
            failed?;
            out.flush()?;
            // What could not be dumped shows in the code.
            return Ok(block_on(check(&disk, &options))?.verdict.exit_code());
        }
        Verb::Repair => {
            let repaired = block_on(repair(&disk, &options, random()?))?;
            let report = block_on(check(&disk, &options))?;
            write_repaired(&mut out, &repaired, &report, arguments.is_json)?;
            out.flush()?;
            return Ok(report.verdict.exit_code());
        }
    }
    let report = block_on(check(&disk, &options))?;
    if arguments.is_json {
        writeln!(out, "{}", json(&report))?;
    } else {
        write!(out, "{report}")?;
    }
    out.flush()?;
    Ok(report.verdict.exit_code())
}

fn write_repaired(
    out: &mut impl io::Write,
    repaired: &Repaired,
    report: &Report,
    is_json: bool,
) -> io::Result<()> {
    if is_json {
        let all = serde_json::json!({ "repaired": repaired, "now": report });
        return writeln!(out, "{all}");
    }
    for (old, new) in &repaired.rewritten {
        writeln!(out, "wrote /{old} anew as /{new}")?;
    }
    for path in &repaired.aside {
        writeln!(out, "moved aside to /{path}")?;
    }
    for path in &repaired.left {
        writeln!(out, "left as it is, encrypted and not opened: /{path}")?;
    }
    write!(out, "{report}")
}

/// One message as a line.
fn line_of(message: &DumpedMessage<'_>, arguments: &Arguments) -> String {
    let DumpedMessage { block, seq, timestamp, expires, due, subject, headers, payload } = message;
    let subject = String::from_utf8_lossy(subject);
    if arguments.is_json {
        let mut line = serde_json::json!({
            "block": block,
            "seq": seq,
            "time_ns": timestamp.0,
            "expires_ns": expires.map(|time| time.0),
            "due_ns": due.map(|time| time.0),
            "subject": subject,
            "headers_bytes": headers.len(),
            "payload_bytes": payload.len(),
        });
        if arguments.has_payload {
            line["headers"] = String::from_utf8_lossy(headers).into();
            // As it is where that is text; else in hexadecimal digits.
            match std::str::from_utf8(payload) {
                Ok(text) => line["payload"] = text.into(),
                Err(_) => line["payload_hex"] = hex(payload).into(),
            }
        }
        return format!("{line}\n");
    }
    let mut line = format!("{seq} {} {subject} {} {}\n", timestamp.0, headers.len(), payload.len());
    if arguments.has_payload {
        let _ = writeln!(line, "{}", String::from_utf8_lossy(payload).escape_debug());
    }
    line
}

fn json(report: &Report) -> String {
    serde_json::to_string_pretty(report).expect("a report has text for its keys")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// A folder as the disk names it, whose root is that of the machine.
fn below_root(path: &Path) -> Result<PathBuf, StoreCommandError> {
    let whole = path.canonicalize();
    let whole = whole.map_err(|source| StoreCommandError::Path { path: path.to_owned(), source })?;
    Ok(whole.components().filter(|part| matches!(part, Component::Normal(_))).collect())
}

/// Of the operating system: keys of blocks are made of it.
fn random() -> Result<[u8; 32], StoreCommandError> {
    let mut bytes = [0; 32];
    let path = Path::new("/dev/urandom");
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut bytes));
    read.map_err(|source| StoreCommandError::Path { path: path.to_owned(), source })?;
    Ok(bytes)
}

/// Exit code where nothing can be said of the store.
const CANNOT_TELL: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &str) -> Option<Arguments> {
        parse(&arguments.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn arguments_are_understood_in_any_order_and_others_refused() {
        let expected = Arguments {
            verb: Verb::Check,
            folder: "a".into(),
            log: Some("b".into()),
            key: KeyArguments::default(),
            is_json: true,
            has_payload: false,
        };
        assert_eq!(parsed("check a --log b --json"), Some(expected));
        assert_eq!(parsed("check --json --log b a"), parsed("check a --log b --json"));
        assert!(parsed("dump a --payload").unwrap().has_payload);
        for refused in [
            "",
            "check",
            "look a",
            "check a b",
            "check a --log",
            "check a --payload",
            "repair a",
            "check a -x",
            "check a --key-file",
            "check a --key-file k --key-env K",
            "check a --key s3cr3t",
            "check a --account A",
        ] {
            assert_eq!(parsed(refused), None, "{refused}");
        }
    }

    #[test]
    fn where_the_key_is_and_whose_it_is_is_understood() {
        let file = parsed("dump a --key-file k").unwrap().key;
        assert_eq!(
            file,
            KeyArguments { source: Some(KeySource::File("k".into())), ..KeyArguments::default() }
        );
        let arguments = "repair a --log b --key-env K --account A --stream S --stream-key c/meta.key";
        let expected = KeyArguments {
            source: Some(KeySource::Environment("K".to_owned())),
            stream_key: Some("c/meta.key".into()),
            account: Some("A".to_owned()),
            stream: Some("S".to_owned()),
        };
        assert_eq!(parsed(arguments).unwrap().key, expected);
    }

    #[test]
    fn a_message_is_a_line_for_people_and_for_programs() {
        let message = DumpedMessage {
            block: 3,
            seq: 7,
            timestamp: natrium_model::Timestamp(9),
            expires: None,
            due: None,
            subject: b"a.b",
            headers: b"",
            payload: b"\xff\x01",
        };
        let plain = parsed("dump x").unwrap();
        assert_eq!(line_of(&message, &plain), "7 9 a.b 0 2\n");
        let json = parsed("dump x --json --payload").unwrap();
        let line: serde_json::Value = serde_json::from_str(&line_of(&message, &json)).unwrap();
        assert_eq!((line["seq"].as_u64(), line["payload_hex"].as_str()), (Some(7), Some("ff01")));
    }
}
