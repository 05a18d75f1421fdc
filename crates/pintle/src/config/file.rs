//! The settings file: a YAML mapping of keys to texts, with the line of each.

use std::fmt;
use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use super::ConfigError;
use crate::{input_file, yaml};

/// One key and what stands behind it.
pub(super) struct Entry {
    pub(super) line: u64,
    pub(super) key: String,
    pub(super) value: Written,
}

/// What stands behind a key. Numbers and switches are texts again: the setting knows what it needs.
#[derive(Debug)]
pub(super) enum Written {
    One(String),
    Many(Vec<String>),
    Nothing,
    Mapping,
}

/// A settings file has at most so many bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

pub(super) fn read(file: &Path) -> Result<Vec<Entry>, ConfigError> {
    let not_settings = |why: String| ConfigError::NotSettings { file: file.to_owned(), why };
    let text = input_file::read(file, FILE_BYTES_MAX).map_err(|error| ConfigError::Unreadable {
        file: file.to_owned(),
        why: error.to_string(),
    })?;
    // Settings do not nest; this leaves room to say so.
    let options = serde_saphyr::options! { budget: serde_saphyr::budget! { max_depth: 8 } };
    let entries: Option<Entries> = serde_saphyr::from_slice_with_options(&text, options)
        .map_err(|error| not_settings(yaml::message(&error)))?;
    Ok(entries.map(|entries| entries.0).unwrap_or_default())
}

struct Entries(Vec<Entry>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor)
    }
}

struct EntriesVisitor;

impl<'de> Visitor<'de> for EntriesVisitor {
    type Value = Entries;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping of settings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            let line = key.referenced.line();
            entries.push(Entry { line, key: key.value, value: map.next_value()? });
        }
        Ok(Entries(entries))
    }
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WrittenVisitor)
    }
}

struct WrittenVisitor;

impl<'de> Visitor<'de> for WrittenVisitor {
    type Value = Written;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a list of texts")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Written, E> {
        Ok(Written::One(value.to_string()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Written, E> {
        Ok(Written::One(value.to_string()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Written, E> {
        Ok(Written::One(value.to_string()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Written, E> {
        Ok(Written::One(value.to_string()))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Written, E> {
        Ok(Written::One(value.to_owned()))
    }

    fn visit_unit<E: Error>(self) -> Result<Written, E> {
        Ok(Written::Nothing)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Written, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = items.next_element()? {
            texts.push(text);
        }
        Ok(Written::Many(texts))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Written, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Written::Mapping)
    }
}
