//! In which form a client wants its answer.

use http::HeaderMap;
use http::header::ACCEPT;

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) shape: Shape,
    pub(crate) encoding: Encoding,
}

/// What objects become.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Shape {
    /// Themselves.
    Object,
    /// Rows of a `Table` of this version of `meta.k8s.io`.
    Table(&'static str),
    /// Their metadata: `PartialObjectMetadata`.
    Partial(&'static str),
}

/// How that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Encoding {
    Json,
    Yaml,
}

/// One range of an `Accept` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Range {
    media_type: String,
    quality: u16,
    parameters: Vec<(String, String)>,
}

impl Range {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let media_type = parts.next()?.to_ascii_lowercase();
        if media_type.is_empty() {
            return None;
        }
        let parameters: Vec<(String, String)> = parts
            .filter_map(|part| part.split_once('='))
            .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let quality = parameters.iter().find(|(name, _)| name == "q");
        let quality = quality.and_then(|(_, value)| value.parse::<f32>().ok()).unwrap_or(1.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a quality is from 0 to 1, in thousandths"
        )]
        let quality = (quality.clamp(0.0, 1.0) * 1000.0) as u16;
        Some(Self { media_type, quality, parameters })
    }

    /// All ranges that a client names, the best first; `*/*` when it names none.
    pub(crate) fn all(headers: &HeaderMap) -> Vec<Self> {
        let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let parsed = values.flat_map(|value| value.split(',')).filter_map(Self::parse);
        let mut ranges: Vec<Self> = parsed.filter(|range| range.quality > 0).collect();
        if ranges.is_empty() {
            ranges.extend(Self::parse("*/*"));
        }
        ranges.sort_by_key(|range| std::cmp::Reverse(range.quality));
        ranges
    }

    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn is(&self, media_type: &str) -> bool {
        self.media_type == media_type
    }

    /// How it would be written.
    pub(crate) fn encoding(&self) -> Option<Encoding> {
        match &*self.media_type {
            "application/json" | "application/*" | "*/*" | "text/*" => Some(Encoding::Json),
            "application/yaml" => Some(Encoding::Yaml),
            _ => None,
        }
    }

    fn form(&self) -> Option<Form> {
        let encoding = self.encoding()?;
        let version = match self.parameter("v") {
            Some("v1") => Some("v1"),
            Some("v1beta1") => Some("v1beta1"),
            _ => None,
        };
        let group = self.parameter("g") == Some("meta.k8s.io");
        let shape = match self.parameter("as") {
            None => Shape::Object,
            Some("Table") if group => Shape::Table(version?),
            Some("PartialObjectMetadata" | "PartialObjectMetadataList") if group => {
                Shape::Partial(version?)
            }
            Some(_) => return None,
        };
        Some(Form { shape, encoding })
    }
}

impl Form {
    /// The first form that a client names and the door has; nothing when there is none.
    pub(crate) fn asked_for(headers: &HeaderMap) -> Option<Self> {
        Range::all(headers).iter().find_map(Range::form)
    }

    /// The form for what has no table.
    pub(crate) fn plain(headers: &HeaderMap) -> Option<Self> {
        let encoding = Range::all(headers).iter().find_map(Range::encoding)?;
        Some(Self { shape: Shape::Object, encoding })
    }
}

impl Encoding {
    pub(crate) const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Yaml => "application/yaml",
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_first_form_that_is_there_is_taken() {
        let json = |shape| Some(Form { shape, encoding: Encoding::Json });
        let cases = [
            ("", json(Shape::Object)),
            ("*/*", json(Shape::Object)),
            ("application/json", json(Shape::Object)),
            ("application/json;stream=watch", json(Shape::Object)),
            ("application/vnd.kubernetes.protobuf,application/json", json(Shape::Object)),
            ("application/vnd.kubernetes.protobuf", None),
            ("application/xml", None),
            ("application/yaml", Some(Form { shape: Shape::Object, encoding: Encoding::Yaml })),
            ("application/yaml;q=0.5, application/json", json(Shape::Object)),
            ("application/json;as=Table;v=v1;g=meta.k8s.io", json(Shape::Table("v1"))),
            ("application/json;as=Table;v=v9;g=meta.k8s.io", None),
            ("application/json;as=Table;v=v9;g=meta.k8s.io,application/json", json(Shape::Object)),
            (
                "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
                json(Shape::Partial("v1")),
            ),
        ];
        for (accept, expected) in cases {
            let mut headers = HeaderMap::new();
            if !accept.is_empty() {
                headers.insert(ACCEPT, HeaderValue::from_static(accept));
            }
            assert_eq!(Form::asked_for(&headers), expected, "{accept}");
        }
    }
}
