//! The value validations of one place.

use pintle_model::{FieldError, FieldPath};
use serde_json::Value;

use super::super::format::Format;
use super::super::number::Width;
use super::super::pattern::{Pattern, PatternError};
use super::super::{Bound, CountRules, NumberRules, Rules, TextRules, ValidationRule, ValueType};
use super::Compiler;
use super::reader::Place;

/// Most patterns are small. A kind may have some that are not, but not so many that they fill
/// memory.
const PATTERN_BYTES_MAX: usize = 128 * 1024;
const LARGE_PATTERN_BYTES_MAX: usize = 2 * 1024 * 1024;
const LARGE_PATTERNS_MAX: usize = 8;
const PATTERNS_MAX: usize = 500;

impl Compiler {
    /// Everything but the junctors and `enum`.
    pub(super) fn rules(&mut self, place: &Place<'_>, value_type: ValueType) -> Rules {
        Rules {
            required: self.texts(place, "required"),
            text: self.text_rules(place, value_type).map(Box::new),
            number: self.number_rules(place, value_type).map(Box::new),
            count: self.count_rules(place).map(Box::new),
            logic: None,
        }
    }

    fn text_rules(&mut self, place: &Place<'_>, value_type: ValueType) -> Option<TextRules> {
        let is_text = matches!(value_type, ValueType::Any | ValueType::String);
        let rules = TextRules {
            format: self.text(place, "format").filter(|_| is_text).and_then(Format::parse),
            pattern: self.pattern(place),
            min_length: self.count(place, "minLength"),
            max_length: self.count(place, "maxLength"),
        };
        let is_empty = rules.format.is_none()
            && rules.pattern.is_none()
            && rules.min_length.is_none()
            && rules.max_length.is_none();
        (!is_empty).then_some(rules)
    }

    fn number_rules(&mut self, place: &Place<'_>, value_type: ValueType) -> Option<NumberRules> {
        let is_number = matches!(value_type, ValueType::Integer | ValueType::Number);
        let format = place.text_or_empty("format");
        let rules = NumberRules {
            format: Width::parse(format).filter(|_| is_number),
            minimum: self.bound(place, "minimum", "exclusiveMinimum"),
            maximum: self.bound(place, "maximum", "exclusiveMaximum"),
            multiple_of: self.number(place, "multipleOf"),
        };
        if let Some(factor) = &rules.multiple_of
            && factor.as_f64().is_none_or(|factor| factor <= 0.0)
        {
            let path = place.path.field("multipleOf");
            let found = Value::Number(factor.clone());
            self.push(FieldError::invalid(path, &found, "must be greater than 0"));
        }
        let is_empty = rules.format.is_none()
            && rules.minimum.is_none()
            && rules.maximum.is_none()
            && rules.multiple_of.is_none();
        (!is_empty).then_some(rules)
    }

    fn bound(&mut self, place: &Place<'_>, limit: &str, exclusive: &str) -> Option<Bound> {
        let exclusive = self.flag(place, exclusive);
        self.number(place, limit).map(|limit| Bound { limit, exclusive })
    }

    fn count_rules(&mut self, place: &Place<'_>) -> Option<CountRules> {
        let rules = CountRules {
            min_items: self.count(place, "minItems"),
            max_items: self.count(place, "maxItems"),
            min_properties: self.count(place, "minProperties"),
            max_properties: self.count(place, "maxProperties"),
        };
        let is_empty = rules.min_items.is_none()
            && rules.max_items.is_none()
            && rules.min_properties.is_none()
            && rules.max_properties.is_none();
        (!is_empty).then_some(rules)
    }

    fn pattern(&mut self, place: &Place<'_>) -> Option<Pattern> {
        let source = self.text(place, "pattern").filter(|source| !source.is_empty())?;
        if let Some(known) = self.patterns.get(source) {
            return known.clone();
        }
        let path = place.path.field("pattern");
        let pattern = self.compile_pattern(path, source);
        self.patterns.insert(source.into(), pattern.clone());
        pattern
    }

    fn compile_pattern(&mut self, path: FieldPath<'_>, source: &str) -> Option<Pattern> {
        if self.patterns.len() >= PATTERNS_MAX {
            let detail =
                format!("a declaration may have at most {PATTERNS_MAX} different patterns");
            self.push(FieldError::forbidden(path, detail));
            return None;
        }
        let mut compiled = Pattern::compile(source, PATTERN_BYTES_MAX);
        if matches!(compiled, Err(PatternError::TooLarge))
            && self.large_patterns < LARGE_PATTERNS_MAX
        {
            self.large_patterns += 1;
            compiled = Pattern::compile(source, LARGE_PATTERN_BYTES_MAX);
        }
        let reason = match compiled {
            Ok(pattern) => return Some(pattern),
            Err(PatternError::Syntax(reason)) => {
                format!("must be a valid regular expression, but isn't: {reason}")
            }
            Err(PatternError::TooLarge) => "the expression is too large; use smaller repetitions, \
                                            or maxLength"
                .to_owned(),
        };
        self.push(FieldError::invalid(path, &Value::from(source), reason));
        None
    }

    /// `x-kubernetes-validations`.
    pub(super) fn validation_rules(&mut self, place: &Place<'_>) -> Vec<ValidationRule> {
        let path = place.path.field("x-kubernetes-validations");
        let mut rules = Vec::new();
        for (index, document) in self.list(place, "x-kubernetes-validations").iter().enumerate() {
            let path = path.index(index);
            let text = |name: &str| document.get(name).and_then(Value::as_str);
            let Some(rule) = text("rule").filter(|rule| !rule.trim().is_empty()) else {
                let path = path.field("rule");
                self.push(FieldError::required(path, "rule is not specified"));
                continue;
            };
            rules.push(ValidationRule {
                rule: rule.into(),
                message: text("message").map(Into::into),
            });
        }
        rules
    }
}
