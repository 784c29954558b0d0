use std::io;
use std::path::Path;

use super::*;

/// One file, `x.conf`.
struct OneFile(&'static str);

impl Surroundings for OneFile {
    fn read(&self, path: &Path) -> io::Result<String> {
        if path == Path::new("x.conf") { Ok(self.0.to_owned()) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    fn variable(&self, _name: &str) -> Option<String> {
        None
    }
}

fn parsed(line: &str) -> Result<Command, FlagError> {
    parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
}

fn invocation(line: &str) -> Invocation {
    match parsed(line).unwrap() {
        Command::Run(invocation) => invocation,
        other @ (Command::Help | Command::TlsHelp | Command::Version) => panic!("{other:?}"),
    }
}

fn options_with(line: &str, file: &'static str) -> Result<Options, InvocationError> {
    invocation(line).load(&OneFile(file)).map(|loaded| loaded.options)
}

fn options(line: &str) -> Options {
    options_with(line, "").unwrap()
}

#[test]
fn both_spellings_of_a_value_are_read() {
    for line in ["-p 4000 -a 127.0.0.1", "--port=4000 --addr=127.0.0.1", "-port 4000 --net 127.0.0.1"] {
        let listen = options(line).client.listen;
        assert_eq!((listen.port, listen.host.as_str()), (4000, "127.0.0.1"), "{line}");
    }
    assert_eq!(options("-p -1").client.listen.port, 0);
}

#[test]
fn switches_can_be_turned_off() {
    let logging = options("-DV").logging;
    assert!(logging.debug && logging.trace && !logging.trace_verbose && logging.time);
    let logging = options("-DVV").logging;
    assert!(logging.debug && logging.trace && logging.trace_verbose);
    let logging = options("--logtime=false -D=false").logging;
    assert!(!logging.time && !logging.debug);
}

#[test]
fn what_cannot_be_served_is_refused_by_name() {
    for line in ["-js", "--jetstream", "--routes nats://a:1", "--cluster x", "-profile 1"] {
        assert!(matches!(parsed(line), Err(FlagError::NotYet(_))), "{line}");
    }
    assert_eq!(parsed("-nonsense"), Err(FlagError::Unknown("nonsense".to_owned())));
    assert_eq!(parsed("foo"), Err(FlagError::Argument("foo".to_owned())));
    assert_eq!(parsed("-p"), Err(FlagError::NoValue("p".to_owned())));
    assert_eq!(parsed("-t"), Err(FlagError::NothingToCheck));
    for line in ["-p 70000", "-p x", "--shards 0", "--shards 65", "-D=maybe"] {
        assert!(matches!(parsed(line), Err(FlagError::Invalid { .. })), "{line}");
    }
}

// go: server/server_test.go TestProcessCommandLineArgs
#[test]
fn help_and_version_need_nothing_else() {
    assert_eq!(options("-a 127.0.0.1 -p 9090").client.listen.port, 9090);
    assert_eq!(parsed("foo -p 9090"), Err(FlagError::Argument("foo".to_owned())));
    assert_eq!(parsed("-h"), Ok(Command::Help));
    assert_eq!(parsed("--help_tls"), Ok(Command::TlsHelp));
    assert_eq!(parsed("-p 1 -v"), Ok(Command::Version));
    assert_eq!(parsed("version"), Ok(Command::Version));
    assert_eq!(parsed("HELP"), Ok(Command::Help));
}

#[test]
fn the_command_line_goes_before_the_file() {
    let file = "port: 1; debug: true; logtime: false; http: 127.0.0.1:8000; server_name: f";
    let from_file = options_with("-c x.conf", file).unwrap();
    assert_eq!(from_file.client.listen.port, 1);
    assert!(from_file.logging.debug && !from_file.logging.time);
    let both = options_with("-c x.conf -p 2 -D=false -m 9 -n g -T", file).unwrap();
    assert_eq!(both.client.listen.port, 2);
    assert!(!both.logging.debug && both.logging.time);
    assert_eq!(both.monitoring.http, Some(Listen { host: "127.0.0.1".to_owned(), port: 9 }));
    assert_eq!(both.server_name.as_deref(), Some("g"));
    assert!(options_with("-c y.conf", file).is_err());
}

// go: server/opts_test.go TestEmptyConfig
#[test]
fn a_file_without_a_name_is_none() {
    let nothing = parse(&["-c".to_owned(), String::new()]).unwrap();
    let Command::Run(invocation) = nothing else { panic!("{nothing:?}") };
    assert_eq!(invocation.config, None);
    assert_eq!(invocation.load(&OneFile("port: 1")).unwrap().options, Options::default());
}

// go: server/opts_test.go TestOptionsProcessConfigFile
#[test]
fn a_file_and_flags_complete_each_other() {
    let file = "debug: false; trace: true; http: 8222";
    let logging = options_with("-l test.log -c x.conf", file).unwrap().logging;
    assert_eq!((logging.debug, logging.trace), (false, true));
    assert_eq!(logging.file, Some("test.log".into()));
}

#[test]
fn tls_flags_make_a_block_of_their_own() {
    let file = "tls { cert_file: a, key_file: b, verify: true }";
    assert!(options_with("-c x.conf", file).unwrap().client.tls.unwrap().verify);
    assert_eq!(options_with("-c x.conf --tls=false", file).unwrap().client.tls, None);
    let tls =
        options_with("-c x.conf --tlscert c --tlskey k --tlscacert ca", file).unwrap().client.tls.unwrap();
    assert!(!tls.verify);
    assert_eq!(tls.certificates, [KeyPairFiles { cert_file: "c".into(), key_file: "k".into() }]);
    assert_eq!(tls.ca_file, Some("ca".into()));
    let refused = |line: &str| options_with(line, "").unwrap_err().to_string();
    assert_eq!(refused("--tls"), "TLS Server certificate must be present and valid");
    assert_eq!(refused("--tls --tlscert c"), "TLS Server private key must be present and valid");
    assert!(refused("-ms 8443").contains("needs TLS"));
}
