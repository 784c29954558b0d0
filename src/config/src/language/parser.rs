//! Keys, maps, arrays, variables and includes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::cursor::{Cursor, is_key_separator, is_newline};
use super::scalar::{Scalar, scalar};
use super::{Data, Map, Position, Surroundings, SyntaxError, SyntaxProblem, Value};

/// Maps, arrays and files inside one another: more than people write, less than a thread's stack holds.
const DEPTH_MAX: usize = 64;

/// Reads a configuration file and what it includes.
///
/// # Errors
/// The first thing that cannot be understood.
pub fn parse_file(path: &Path, surroundings: &dyn Surroundings) -> Result<Map, SyntaxError> {
    let mut context = Context { surroundings, including: Vec::new(), resolving: Vec::new() };
    let at = Position { file: path.to_string_lossy().into(), line: 1, column: 1 };
    context.file(path, &at)
}

/// Reads a configuration that is at hand. `path` is its name in errors; what it includes is looked for beside it.
///
/// # Errors
/// The first thing that cannot be understood.
pub fn parse(text: &str, path: &Path, surroundings: &dyn Surroundings) -> Result<Map, SyntaxError> {
    let mut context = Context { surroundings, including: Vec::new(), resolving: Vec::new() };
    context.text(text, path)
}

/// What the files of one configuration share.
struct Context<'a> {
    surroundings: &'a dyn Surroundings,
    /// Files being read, the outermost first.
    including: Vec<PathBuf>,
    /// Variables of the environment whose value is being read.
    resolving: Vec<String>,
}

impl Context<'_> {
    fn file(&mut self, path: &Path, at: &Position) -> Result<Map, SyntaxError> {
        let failed = |problem| SyntaxError { at: at.clone(), problem };
        if self.including.iter().any(|other| other == path) {
            return Err(failed(SyntaxProblem::IncludeCycle(path.to_owned())));
        }
        if self.including.len() >= DEPTH_MAX {
            return Err(failed(SyntaxProblem::TooDeep(DEPTH_MAX)));
        }
        let text = self
            .surroundings
            .read(path)
            .map_err(|source| failed(SyntaxProblem::Unreadable { path: path.to_owned(), source }))?;
        self.including.push(path.to_owned());
        let map = self.text(&text, path)?;
        self.including.pop();
        Ok(map)
    }

    fn text(&mut self, text: &str, path: &Path) -> Result<Map, SyntaxError> {
        let mut parser = Parser {
            cursor: Cursor::new(text, path.to_string_lossy().into()),
            folder: path.parent().unwrap_or(Path::new("")).to_owned(),
            scopes: vec![Map::default()],
            depth: 0,
            context: self,
        };
        parser.document()?;
        Ok(parser.scopes.swap_remove(0))
    }

    /// The value of a variable of the environment, which is written in the same language.
    fn environment(&mut self, name: &str) -> Result<Option<Data>, SyntaxProblem> {
        if self.resolving.iter().any(|other| other == name) {
            return Err(SyntaxProblem::VariableCycle(name.to_owned()));
        }
        let Some(text) = self.surroundings.variable(name) else { return Ok(None) };
        self.resolving.push(name.to_owned());
        let mut parser = Parser {
            cursor: Cursor::new(&text, Arc::from(format!("${name}"))),
            folder: PathBuf::new(),
            scopes: vec![Map::default()],
            depth: 0,
            context: self,
        };
        let value = parser.lone_value();
        self.resolving.pop();
        value.map(Some).map_err(|source| SyntaxProblem::EnvironmentValue {
            name: name.to_owned(),
            source: Box::new(source),
        })
    }
}

struct Parser<'a, 'c, 's> {
    cursor: Cursor<'a>,
    /// Where includes are looked for.
    folder: PathBuf,
    /// The maps that are open, the outermost first.
    scopes: Vec<Map>,
    depth: usize,
    context: &'c mut Context<'s>,
}

/// Whether a key stands in a map with braces or at the top of a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Top,
    Map,
}

enum Key {
    Name(String),
    Include,
}

impl Parser<'_, '_, '_> {
    /// Keys and values to the end. All of it may stand in braces, as JSON has it; a last `}` too many is let pass.
    fn document(&mut self) -> Result<(), SyntaxError> {
        let mut braces = 0_usize;
        loop {
            self.cursor.skip_blank();
            match self.cursor.peek() {
                None => return Ok(()),
                Some('{') => {
                    braces += 1;
                    self.cursor.bump();
                }
                Some('}') if braces > 0 => {
                    braces -= 1;
                    self.cursor.bump();
                }
                Some('}') => {
                    self.cursor.bump();
                    self.cursor.skip_blank();
                    return match self.cursor.peek() {
                        None => Ok(()),
                        Some(c) => Err(self.here(SyntaxProblem::NoKey(c))),
                    };
                }
                Some(_) => {
                    self.entry(Level::Top)?;
                    self.end_of_top_value()?;
                }
            }
        }
    }

    fn end_of_top_value(&mut self) -> Result<(), SyntaxError> {
        self.cursor.skip_spaces();
        match self.cursor.peek() {
            None | Some('}') => {}
            Some(c) if is_newline(c) || matches!(c, ',' | ';') => {
                self.cursor.bump();
            }
            Some(_) if self.cursor.at_comment() => {}
            Some(c) => return Err(self.here(SyntaxProblem::UnexpectedAfterValue(c))),
        }
        Ok(())
    }

    /// The value of a variable of the environment.
    fn lone_value(&mut self) -> Result<Data, SyntaxError> {
        self.cursor.skip_spaces();
        if self.cursor.peek().is_none() {
            return Ok(Data::String(String::new()));
        }
        let at = self.cursor.position();
        let value = self.value(at)?;
        self.cursor.skip_blank();
        match self.cursor.peek() {
            None => Ok(value.data),
            Some(c) => Err(self.here(SyntaxProblem::UnexpectedAfterValue(c))),
        }
    }

    /// A key with its value, or an include, into the innermost map.
    fn entry(&mut self, level: Level) -> Result<(), SyntaxError> {
        let at = self.cursor.position();
        match self.key(level)? {
            Key::Include => self.include(),
            Key::Name(name) => {
                self.cursor.take_while(char::is_whitespace);
                if self.cursor.peek().is_some_and(is_key_separator) {
                    self.cursor.bump();
                }
                match level {
                    Level::Top => self.cursor.skip_spaces(),
                    Level::Map => {
                        self.cursor.take_while(char::is_whitespace);
                    }
                }
                let is_missing =
                    self.cursor.peek().is_none_or(|c| is_newline(c) || matches!(c, ',' | ';' | '}' | ']'));
                if is_missing {
                    return Err(self.here(SyntaxProblem::NoValue(name)));
                }
                let value = self.value(at)?;
                self.scope().insert(name, value);
                Ok(())
            }
        }
    }

    fn key(&mut self, level: Level) -> Result<Key, SyntaxError> {
        match self.cursor.peek() {
            Some(quote @ ('"' | '\'')) => {
                self.cursor.bump();
                let name = self.cursor.take_while(|c| c != quote).to_owned();
                if self.cursor.take(quote) {
                    Ok(Key::Name(name))
                } else {
                    Err(self.here(SyntaxProblem::UnexpectedEnd("a key")))
                }
            }
            Some(c) if is_key_separator(c) || (level == Level::Map && matches!(c, ']' | ',' | ';')) => {
                Err(self.here(SyntaxProblem::NoKey(c)))
            }
            Some(_) | None => {
                let name = self.cursor.take_while(|c| !c.is_whitespace() && !is_key_separator(c));
                let is_include = name.eq_ignore_ascii_case("include")
                    && self.cursor.peek().is_some_and(char::is_whitespace);
                Ok(if is_include { Key::Include } else { Key::Name(name.to_owned()) })
            }
        }
    }

    fn include(&mut self) -> Result<(), SyntaxError> {
        self.cursor.skip_spaces();
        let at = self.cursor.position();
        let name = match self.cursor.peek() {
            Some(quote @ ('"' | '\'')) => {
                self.cursor.bump();
                let name = self.cursor.take_while(|c| c != quote);
                if !self.cursor.take(quote) {
                    return Err(self.here(SyntaxProblem::UnexpectedEnd("the name of a file")));
                }
                name
            }
            Some(_) | None => self.cursor.take_while(|c| !c.is_whitespace() && !matches!(c, ';' | '}')),
        };
        if name.is_empty() || name.starts_with(['[', '{', '(', '\\']) {
            return Err(SyntaxError { at, problem: SyntaxProblem::NoIncludeFile });
        }
        let map = self.context.file(&self.folder.join(name), &at)?;
        self.scope().merge(map);
        Ok(())
    }

    /// A value whose place is `at`.
    fn value(&mut self, at: Position) -> Result<Value, SyntaxError> {
        let data = match self.cursor.peek() {
            Some('[') => self.nested(Self::array)?,
            Some('{') => self.nested(Self::map)?,
            Some(_) | None => {
                let start = self.cursor.position();
                let read = scalar(&mut self.cursor);
                match read.map_err(|problem| SyntaxError { at: start.clone(), problem })? {
                    Scalar::Data(data) => data,
                    Scalar::Variable(name) => {
                        self.variable(&name).map_err(|problem| SyntaxError { at: start, problem })?
                    }
                }
            }
        };
        Ok(Value { data, at })
    }

    fn nested(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<Data, SyntaxError>,
    ) -> Result<Data, SyntaxError> {
        if self.depth >= DEPTH_MAX {
            return Err(self.here(SyntaxProblem::TooDeep(DEPTH_MAX)));
        }
        self.depth += 1;
        self.cursor.bump();
        let data = read(self)?;
        self.depth -= 1;
        Ok(data)
    }

    fn array(&mut self) -> Result<Data, SyntaxError> {
        let mut values = Vec::new();
        loop {
            self.cursor.skip_blank();
            match self.cursor.peek() {
                Some(']') => break,
                Some(c @ (',' | ';' | '}')) => return Err(self.here(SyntaxProblem::UnexpectedValue(c))),
                None => return Err(self.here(SyntaxProblem::UnexpectedEnd("an array"))),
                Some(_) => {}
            }
            let at = self.cursor.position();
            values.push(self.value(at)?);
            self.cursor.skip_spaces();
            match self.cursor.peek() {
                Some(']') => break,
                Some(c) if c == ',' || is_newline(c) => {
                    self.cursor.bump();
                }
                Some(_) if self.cursor.at_comment() => {}
                Some(c) => return Err(self.here(SyntaxProblem::UnexpectedInArray(c))),
                None => return Err(self.here(SyntaxProblem::UnexpectedEnd("an array"))),
            }
        }
        self.cursor.bump();
        Ok(Data::Array(values))
    }

    fn map(&mut self) -> Result<Data, SyntaxError> {
        self.scopes.push(Map::default());
        loop {
            self.cursor.skip_blank();
            match self.cursor.peek() {
                Some('}') => break,
                None => return Err(self.here(SyntaxProblem::UnexpectedEnd("a map"))),
                Some(_) => self.entry(Level::Map)?,
            }
            self.cursor.skip_spaces();
            match self.cursor.peek() {
                Some('}') => break,
                Some(c) if is_newline(c) || matches!(c, ',' | ';') => {
                    self.cursor.bump();
                }
                Some(_) if self.cursor.at_comment() => {}
                Some(c) => return Err(self.here(SyntaxProblem::UnexpectedInMap(c))),
                None => return Err(self.here(SyntaxProblem::UnexpectedEnd("a map"))),
            }
        }
        self.cursor.bump();
        let map = self.scopes.pop().unwrap_or_default();
        Ok(Data::Map(map))
    }

    /// The innermost map that has the key, then the environment.
    fn variable(&mut self, name: &str) -> Result<Data, SyntaxProblem> {
        if let Some(value) = self.scopes.iter_mut().rev().find_map(|scope| scope.refer(name)) {
            return Ok(value.data.clone());
        }
        let value = self.context.environment(name)?;
        value.ok_or_else(|| SyntaxProblem::UnknownVariable(name.to_owned()))
    }

    fn scope(&mut self) -> &mut Map {
        self.scopes.last_mut().expect("the file's own map is never closed")
    }

    fn here(&self, problem: SyntaxProblem) -> SyntaxError {
        SyntaxError { at: self.cursor.position(), problem }
    }
}
