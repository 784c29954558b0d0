//! Users known by their certificates: `verify_and_map`.

use std::io::{BufRead, BufReader, Write};

use rcgen::{DnType, SanType};

use crate::pki::Identity;
use crate::{PKI, QUIET, Tls, connect, line, open, tls_over, with_each_server};
use natrium_tests::server::Server;

/// A client that was let in by its certificate.
struct Mapped(BufReader<Tls>);

impl Mapped {
    fn connect(server: &Server, identity: &Identity) -> Self {
        assert_eq!(attempt(server, Some(identity)).unwrap(), "PONG\r\n");
        let mut socket = open(server);
        line(&mut socket).unwrap();
        let mut tls = tls_over(socket, &PKI.client(Some(identity)).unwrap());
        assert_eq!(connect(&mut tls, QUIET).unwrap(), "PONG\r\n");
        Self(BufReader::new(tls))
    }

    /// Says it; the lines that came until it was heard.
    fn answers(&mut self, text: &str) -> Vec<String> {
        self.0.get_mut().write_all(format!("{text}\r\nPING\r\n").as_bytes()).unwrap();
        let mut lines = Vec::new();
        loop {
            let line = self.line();
            if line == "PONG" {
                return lines;
            }
            lines.push(line);
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert!(self.0.read_line(&mut line).unwrap() > 0, "the server closed the connection");
        line.trim_end().to_owned()
    }
}

/// The first answer of a server to who comes with this certificate or none.
fn attempt(server: &Server, identity: Option<&Identity>) -> std::io::Result<String> {
    let mut socket = open(server);
    line(&mut socket).unwrap();
    connect(&mut tls_over(socket, &PKI.client(identity).unwrap()), QUIET)
}

fn mapping(authorization: &str) -> String {
    format!("{}authorization {{ {authorization} }}", PKI.block("verify_and_map: true"))
}

fn dns(names: &[&str]) -> Vec<SanType> {
    names.iter().map(|&name| SanType::DnsName(name.try_into().unwrap())).collect()
}

fn email(name: &str) -> SanType {
    SanType::Rfc822Name(name.try_into().unwrap())
}

// go: test/tls_test.go TestTLSClientCertificateHasUserID
// go: test/tls_test.go TestTLSClientCertificateCheckWithAllowedConnectionTypes
#[test]
fn an_address_in_the_certificate_is_a_user_where_it_may_come_this_way() {
    let derek = PKI.issue(&[(DnType::CommonName, "derek")], vec![email("derek@nats.io")]).unwrap();
    let user = |more: &str| {
        mapping(&format!("users = [ {{ user: derek@nats.io, permissions: {{ publish: \"foo\" }} {more} }} ]"))
    };
    with_each_server(&user(""), |name, server| {
        let mut client = Mapped::connect(server, &derek);
        assert!(client.answers("PUB foo 0\r\n").is_empty(), "{name}");
    });
    with_each_server(&user(", allowed_connection_types: [\"WEBSOCKET\"]"), |name, server| {
        let answer = attempt(server, Some(&derek)).unwrap();
        assert_eq!(answer, "-ERR 'Authorization Violation'\r\n", "{name}");
    });
}

const PUBLIC: &str =
    "permissions { publish { allow = [\"public.>\"] }, subscribe { allow = [\"public.>\"] } }";
const EVERYTHING: &str = "permissions = { publish { allow = [\">\"] }, subscribe { allow = [\">\"] } }";
const SANDBOX: &str = "permissions = { publish { allow = [\"public.>\", \"sandbox.>\"] }, \
                       subscribe { allow = [\"public.>\", \"sandbox.>\"] } }";

// go: test/tls_test.go TestTLSClientCertificateCNBasedAuth
#[test]
fn a_subject_is_a_user_with_its_own_permissions_or_the_default_ones() {
    let of_unit = |unit| {
        PKI.issue(
            &[(DnType::OrganizationalUnitName, unit), (DnType::CommonName, "example.com")],
            dns(&["localhost", "example.com", "www.example.com"]),
        )
    };
    let (plain, admin) = (of_unit("NATS.io").unwrap(), of_unit("CNCF").unwrap());
    let config = mapping(&format!(
        "{PUBLIC}\nusers [ {{ user = \"CN=example.com,OU=NATS.io\" }}, \
         {{ user = \"CN=example.com,OU=CNCF\", {EVERYTHING} }} ]"
    ));
    with_each_server(&config, |name, server| {
        let mut plain = Mapped::connect(server, &plain);
        let mut admin = Mapped::connect(server, &admin);
        let answers = plain.answers("PUB foo.bar 2\r\nhi\r\nSUB foo.> 1");
        let expected = [
            "-ERR 'Permissions Violation for Publish to \"foo.bar\"'",
            "-ERR 'Permissions Violation for Subscription to \"foo.>\"'",
        ];
        assert_eq!(answers, expected, "{name}");
        assert!(admin.answers("SUB > 1").is_empty(), "{name}");
        assert_eq!(admin.answers("PUB hello 2\r\nhi"), ["MSG hello 1 2", "hi"], "{name}");
    });
}

/// Three users: one with the default permissions, one with a sandbox, one that may do everything.
fn share_a_server(config: &str, default: &Identity, dev: &Identity, prod: &Identity) {
    with_each_server(config, |name, server| {
        let mut default = Mapped::connect(server, default);
        let mut dev = Mapped::connect(server, dev);
        let mut prod = Mapped::connect(server, prod);
        let refused = dev.answers("PUB foo.bar 2\r\nhi\r\nSUB foo.> 1");
        let expected = [
            "-ERR 'Permissions Violation for Publish to \"foo.bar\"'",
            "-ERR 'Permissions Violation for Subscription to \"foo.>\"'",
        ];
        assert_eq!(refused, expected, "{name}");
        assert!(prod.answers("SUB > 1").is_empty(), "{name}");
        assert_eq!(prod.answers("PUB hello 2\r\nhi"), ["MSG hello 1 2", "hi"], "{name}");

        assert!(dev.answers("SUB sandbox.> 2").is_empty(), "{name}");
        let sandboxed = dev.answers("PUB sandbox.foo.bar 3\r\nhi!");
        assert_eq!(sandboxed, ["MSG sandbox.foo.bar 2 3", "hi!"], "{name}");
        assert_eq!([prod.line(), prod.line()], ["MSG sandbox.foo.bar 1 3", "hi!"], "{name}");

        let refused = default.answers("SUB sandbox.> 1\r\nSUB public.> 2");
        assert_eq!(refused, ["-ERR 'Permissions Violation for Subscription to \"sandbox.>\"'"], "{name}");
        assert!(dev.answers("PUB public.foo.bar 3\r\nhi!").is_empty(), "{name}");
        assert_eq!([default.line(), default.line()], ["MSG public.foo.bar 2 3", "hi!"], "{name}");
        assert_eq!([prod.line(), prod.line()], ["MSG public.foo.bar 1 3", "hi!"], "{name}");
    });
}

fn www_nats_io(names: Vec<SanType>) -> Identity {
    PKI.issue(&[(DnType::CommonName, "www.nats.io")], names).unwrap()
}

// go: test/tls_test.go TestTLSClientCertificateSANsBasedAuth
#[test]
fn a_host_name_in_the_certificate_goes_before_its_subject() {
    let config = mapping(&format!(
        "{PUBLIC}\nusers [ {{ user = \"CN=www.nats.io\" }}, {{ user = \"app.nats.prod\", {EVERYTHING} }}, \
         {{ user = \"app.nats.dev\", {SANDBOX} }} ]"
    ));
    share_a_server(
        &config,
        &www_nats_io(dns(&["localhost", "example.com", "www.example.com"])),
        &www_nats_io(dns(&["app.nats.dev", "*.app.nats.dev"])),
        &www_nats_io(dns(&["app.nats.prod", "*.app.nats.prod"])),
    );
}

// go: test/tls_test.go TestTLSClientCertificateTLSAuthMultipleOptions
#[test]
fn any_of_several_names_will_do_and_else_the_subject() {
    let config = mapping(&format!(
        "{PUBLIC}\nusers [ {{ user = \"CN=www.nats.io\" }}, {{ user = \"*.app.nats.prod\", {EVERYTHING} }}, \
         {{ user = \"root@app.nats.dev\", {SANDBOX} }} ]"
    ));
    let mut with_addresses = dns(&["app.nats.dev"]);
    with_addresses.extend([email("admin@app.nats.dev"), email("root@app.nats.dev")]);
    share_a_server(
        &config,
        &www_nats_io(dns(&["app.nats.dev", "*.app.nats.dev"])),
        &www_nats_io(with_addresses),
        &www_nats_io(dns(&["app.nats.prod", "*.app.nats.prod"])),
    );
}

// go: test/tls_test.go TestTLSClientCertificateNoSubjectWithSANAuth
#[test]
fn a_certificate_without_a_subject_is_known_by_its_other_names() {
    let nameless = PKI.issue(&[], dns(&["localhost"])).unwrap();
    with_each_server(&mapping("users = [ { user: \"localhost\" } ]"), |name, server| {
        assert_eq!(attempt(server, Some(&nameless)).unwrap(), "PONG\r\n", "{name}");
        let refused = attempt(server, None);
        assert!(
            refused.as_ref().is_err_and(|error| error.kind() != std::io::ErrorKind::WouldBlock),
            "{name}: {refused:?}"
        );
    });
}
