//! The fields that a new kind's spec begins with.

use std::str::FromStr;

/// One field: `name:string!`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// As JSON has it, in lower camel case.
    pub name: String,
    /// What it holds.
    pub of: FieldType,
    /// Whether every object has it.
    pub required: bool,
}

/// What a field can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldType {
    /// Text.
    String,
    /// A whole number of 64 bits.
    Integer,
    /// Yes or no.
    Boolean,
    /// Texts by name.
    Map,
    /// Texts in order.
    List,
}

/// Why a text is no field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// It has another shape.
    #[error(
        "{0:?} is no field: write NAME:TYPE, with ! at the end when it is required; types are string, \
         integer, boolean, map and list"
    )]
    Shape(String),
    /// The name cannot be a field's.
    #[error("{0:?} is no name for a field: use letters and digits in lower camel case")]
    Name(String),
    /// It stands twice.
    #[error("the field {0:?} is given twice")]
    Twice(String),
}

impl FromStr for Field {
    type Err = FieldError;

    fn from_str(text: &str) -> Result<Self, FieldError> {
        let shape = || FieldError::Shape(text.chars().take(80).collect());
        let (name, of) = text.split_once(':').ok_or_else(shape)?;
        let (of, required) = of.strip_suffix('!').map_or((of, false), |of| (of, true));
        let of = match of {
            "string" => FieldType::String,
            "integer" => FieldType::Integer,
            "boolean" => FieldType::Boolean,
            "map" => FieldType::Map,
            "list" => FieldType::List,
            _ => return Err(shape()),
        };
        let good = name.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && name.starts_with(|first: char| first.is_ascii_lowercase())
            && name.len() <= 60;
        // Names like this go through serde as they are, and come out of it as they were.
        let snake = snake(name);
        if !good || camel(&snake) != name {
            return Err(FieldError::Name(name.chars().take(80).collect()));
        }
        Ok(Self { name: name.to_owned(), of, required })
    }
}

impl Field {
    /// What a spec begins with when nothing is said.
    pub fn usual() -> Vec<Self> {
        let field = |name: &str, of, required| Self { name: name.to_owned(), of, required };
        vec![
            field("name", FieldType::String, true),
            field("location", FieldType::String, true),
            field("model", FieldType::String, false),
            field("config", FieldType::Map, false),
        ]
    }

    /// Whether each name stands once.
    pub fn check(fields: &[Self]) -> Result<(), FieldError> {
        for (index, field) in fields.iter().enumerate() {
            if fields.iter().skip(index + 1).any(|other| other.name == field.name) {
                return Err(FieldError::Twice(field.name.clone()));
            }
        }
        Ok(())
    }

    /// The name in code; a word of Rust is escaped.
    pub(crate) fn ident(&self) -> String {
        let snake = snake(&self.name);
        let escaped = matches!(
            &*snake,
            "as" | "async"
                | "await"
                | "box"
                | "break"
                | "const"
                | "continue"
                | "do"
                | "dyn"
                | "else"
                | "enum"
                | "extern"
                | "final"
                | "fn"
                | "for"
                | "gen"
                | "if"
                | "impl"
                | "in"
                | "let"
                | "loop"
                | "macro"
                | "match"
                | "mod"
                | "move"
                | "mut"
                | "priv"
                | "pub"
                | "ref"
                | "return"
                | "static"
                | "struct"
                | "trait"
                | "try"
                | "type"
                | "typeof"
                | "unsafe"
                | "use"
                | "virtual"
                | "where"
                | "while"
                | "yield"
                | "abstract"
                | "become"
                | "override"
                | "unsized"
                | "true"
                | "false"
        );
        if escaped { format!("r#{snake}") } else { snake }
    }

    /// Its declaration.
    pub(crate) fn declaration(&self) -> String {
        let ident = self.ident();
        let (of, empty) = match self.of {
            FieldType::String => ("String", None),
            FieldType::Integer => ("i64", None),
            FieldType::Boolean => ("bool", None),
            FieldType::Map => ("BTreeMap<String, String>", Some("BTreeMap::is_empty")),
            FieldType::List => ("Vec<String>", Some("Vec::is_empty")),
        };
        let comment = format!("    /// The {}.\n", snake(&self.name).replace('_', " "));
        match (self.required, empty) {
            (true, _) => format!("{comment}    pub {ident}: {of},\n"),
            (false, Some(empty)) => format!(
                "{comment}    #[serde(default, skip_serializing_if = \"{empty}\")]\n    pub {ident}: {of},\n"
            ),
            (false, None) => format!(
                "{comment}    #[serde(default, skip_serializing_if = \"Option::is_none\")]\n    pub {ident}: Option<{of}>,\n"
            ),
        }
    }

    /// A value to try things with, as JSON.
    pub(crate) const fn sample(&self, second: bool) -> &'static str {
        match (self.of, second) {
            (FieldType::String, false) => "\"one\"",
            (FieldType::String, true) => "\"two\"",
            (FieldType::Integer, false) => "1",
            (FieldType::Integer, true) => "2",
            (FieldType::Boolean, false) => "false",
            (FieldType::Boolean, true) => "true",
            (FieldType::Map, false) => "{\"key\": \"one\"}",
            (FieldType::Map, true) => "{\"key\": \"two\"}",
            (FieldType::List, false) => "[\"one\"]",
            (FieldType::List, true) => "[\"two\"]",
        }
    }
}

fn snake(camel: &str) -> String {
    camel.chars().fold(String::new(), |mut snake, letter| {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
        snake
    })
}

/// As serde's `camelCase` does it.
fn camel(snake: &str) -> String {
    let mut raised = false;
    snake.chars().fold(String::new(), |mut camel, letter| {
        if letter == '_' {
            raised = true;
        } else if std::mem::take(&mut raised) {
            camel.push(letter.to_ascii_uppercase());
        } else {
            camel.push(letter);
        }
        camel
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read() {
        let field = |text: &str| text.parse::<Field>();
        let serial = field("serialNumber:string!").unwrap();
        assert_eq!((serial.of, serial.required), (FieldType::String, true));
        assert_eq!(serial.ident(), "serial_number");
        assert_eq!(field("type:list").unwrap().ident(), "r#type");
        for bad in ["", "a", "a:", "a:text", "a:string!!", "a:string?"] {
            assert!(matches!(field(bad), Err(FieldError::Shape(_))), "{bad}");
        }
        for bad in [":string", "A:string", "a-b:string", "a_b:string", "1:string"] {
            assert!(matches!(field(bad), Err(FieldError::Name(_))), "{bad}");
        }
        let twice = [field("a:string").unwrap(), field("a:map").unwrap()];
        assert_eq!(Field::check(&twice), Err(FieldError::Twice("a".to_owned())));
    }
}
