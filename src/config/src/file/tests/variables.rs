//! Options whose values stand elsewhere: in variables, in the environment, in files that are included.

use super::*;

/// Files by their names, and an environment.
struct World {
    files: &'static [(&'static str, &'static str)],
    environment: &'static [(&'static str, &'static str)],
}

impl Surroundings for World {
    fn read(&self, path: &Path) -> io::Result<String> {
        let name = path.file_name().and_then(|name| name.to_str());
        let found = self.files.iter().find(|(file, _)| Some(*file) == name);
        found.map(|(_, text)| (*text).to_owned()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.environment.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    }
}

/// The port that `text` comes to, or what is wrong with it.
fn port_of(text: &'static str, environment: &'static [(&'static str, &'static str)]) -> Result<u16, String> {
    let files: &'static [_] = Box::leak(Box::new([("x.conf", text)]));
    port_in(&World { files, environment })
}

fn port_in(world: &World) -> Result<u16, String> {
    let loaded = load(Path::new("x.conf"), world).map_err(|error| error.to_string())?;
    Ok(loaded.options.client.listen.port)
}

// go: server/opts_test.go TestVarReferencesVar
// go: server/opts_test.go TestVarReferencesEnvVar
// go: server/opts_test.go TestEnvVarReferencesEnvVar
#[test]
fn variables_lead_to_variables_and_to_the_environment() {
    assert_eq!(port_of("A: 7890\nB: $A\nC: $B\nport: $C", &[]), Ok(7890));
    assert_eq!(port_of("A: $OUTSIDE\nB: $A\nC: $B\nport: $C", &[("OUTSIDE", "7890")]), Ok(7890));
    assert_eq!(port_of("port: $A", &[("A", "$B"), ("B", "$C"), ("C", "7890")]), Ok(7890));
}

// go: server/opts_test.go TestVarReferencesSelf
// go: server/opts_test.go TestEnvVarReferencesVar
#[test]
fn a_variable_is_not_there_in_its_own_value_nor_in_the_environment() {
    let error = port_of("A: $A", &[]).unwrap_err();
    assert_eq!(error, "x.conf:1:4: variable reference for 'A' can not be found");
    let error = port_of("P: 8080\nport: $OUTSIDE", &[("OUTSIDE", "$P")]).unwrap_err();
    assert!(error.contains("variable reference for 'P' can not be found"), "{error}");
}

// go: server/opts_test.go TestEnvVarReferencesSelf
// go: server/opts_test.go TestEnvVarReferencesSelfCycle
#[test]
fn the_environment_may_not_lead_back_to_itself() {
    let itself: &[_] = &[("A", "$A")];
    let round: &[_] = &[("A", "$B"), ("B", "$C"), ("C", "$A")];
    for environment in [itself, round] {
        let error = port_of("TEST: $A", environment).unwrap_err();
        assert!(error.contains("variable reference cycle"), "{error}");
    }
}

// go: server/opts_test.go TestEnvVarInclude
#[test]
fn the_environment_includes_no_files() {
    let error = port_of("TEST: $A", &[("A", "include x")]).unwrap_err();
    assert!(error.contains("expected a new line, ',', ';' or a comment after the value"), "{error}");
}

// go: server/opts_test.go TestEnvVarFromIncludedFile
#[test]
fn an_included_file_takes_from_the_environment() {
    let world = World {
        files: &[("x.conf", "include \"./y.conf\"\nport: $TEST_PORT"), ("y.conf", "TEST_PORT: $A")],
        environment: &[("A", "$B"), ("B", "7890")],
    };
    assert_eq!(port_in(&world), Ok(7890));
}

// go: server/config_check_test.go TestConfigCheckIncludes
#[test]
fn a_mistake_is_told_with_the_file_it_stands_in() {
    const USER: (&str, &str) = ("z.conf", "authorization {\n  user = \"foo\"\n  pass = \"bar\"\n}\n");
    let good = World {
        files: &[
            ("x.conf", "port = 4222\ninclude \"y.conf\"\nhttp_port = $monitoring_port\n"),
            ("y.conf", "monitoring_port = 8222\n\ninclude \"z.conf\"\n"),
            USER,
        ],
        environment: &[],
    };
    let loaded = load(Path::new("x.conf"), &good).unwrap();
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    assert_eq!(loaded.options.monitoring.http.map(|listen| listen.port), Some(8222));
    assert_eq!(loaded.options.auth.user.as_deref(), Some("foo"));
    let unused = World {
        files: &[
            ("x.conf", "port = 4222\ninclude \"y.conf\"\n"),
            ("y.conf", "\n\n      monitoring_port = 8222\n\ninclude \"z.conf\"\n"),
            USER,
        ],
        environment: &[],
    };
    assert!(port_in(&unused).unwrap_err().ends_with("y.conf:3:7: unknown field \"monitoring_port\""));
}
