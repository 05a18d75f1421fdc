//! Numbers as JSON Schema sees them: compared by value, whatever their text.

use std::cmp::Ordering;

use serde_json::{Number, Value};

/// The formats that narrow a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    Int32,
    Float,
}

impl Width {
    /// Reads `int32` and `float`; `int64` and `double` say nothing that the types do not.
    pub(super) fn parse(format: &str) -> Option<Self> {
        match format {
            "int32" => Some(Self::Int32),
            "float" => Some(Self::Float),
            _ => None,
        }
    }

    /// As messages call it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Int32 => "int32",
            Self::Float => "float",
        }
    }

    /// Whether a number fits.
    pub(super) fn holds(self, number: &Number) -> bool {
        match self {
            Self::Int32 => as_integer(number).is_none_or(|n| i32::try_from(n).is_ok()),
            Self::Float => as_float(number).abs() <= f64::from(f32::MAX),
        }
    }
}

/// The number as an integer of 64 bits, when it is whole (`1.0` is) and fits.
pub(super) fn as_integer(number: &Number) -> Option<i64> {
    number.as_i64().or_else(|| {
        let float = as_float(number);
        // 2^63 as a float: the first value above the range, which casts would saturate to.
        let fits = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&float);
        #[expect(clippy::cast_possible_truncation, reason = "whole and in range, checked here")]
        (number.is_f64() && float.fract() == 0.0 && fits).then_some(float as i64)
    })
}

/// Compares by value; whole numbers exactly.
pub(super) fn compare(a: &Number, b: &Number) -> Ordering {
    match (as_wide(a), as_wide(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        _ => as_float(a).total_cmp(&as_float(b)),
    }
}

/// Whether `number` is a multiple of `factor`, which is not zero.
pub(super) fn is_multiple(number: &Number, factor: &Number) -> bool {
    match (as_wide(number), as_wide(factor)) {
        (Some(number), Some(factor)) => factor != 0 && number % factor == 0,
        _ => (as_float(number) / as_float(factor)).fract() == 0.0,
    }
}

/// Whether two JSON values mean the same: `1` and `1.0` do.
pub(super) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => compare(a, b) == Ordering::Equal,
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

/// A text that is the same for values that mean the same, to find duplicates without comparing
/// every pair.
pub(super) fn fingerprint(value: &Value) -> String {
    match value {
        Value::Number(number) => match as_integer(number) {
            Some(integer) => integer.to_string(),
            None => number.to_string(),
        },
        Value::Array(items) => joined('[', items.iter().map(fingerprint)),
        Value::Object(map) => {
            let field = |(key, value): (&String, &Value)| format!("{key:?}:{}", fingerprint(value));
            joined('{', map.iter().map(field))
        }
        Value::Null | Value::Bool(_) | Value::String(_) => value.to_string(),
    }
}

fn joined(open: char, parts: impl Iterator<Item = String>) -> String {
    parts.fold(String::from(open), |mut text, part| {
        text.push_str(&part);
        text.push(',');
        text
    })
}

fn as_wide(number: &Number) -> Option<i128> {
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
}

fn as_float(number: &Number) -> f64 {
    number.as_f64().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn integers_are_whole_numbers_of_64_bits() {
        let cases = [
            ("1", Some(1)),
            ("1.0", Some(1)),
            ("-0.0", Some(0)),
            ("1e3", Some(1000)),
            ("1.5", None),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", None),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9.3e18", None),
            ("1e300", None),
        ];
        for (text, expected) in cases {
            let number: Number = serde_json::from_str(text).unwrap();
            assert_eq!(as_integer(&number), expected, "{text}");
        }
    }

    #[test]
    fn multiples_are_exact_for_whole_numbers() {
        for (number, factor, expected) in [
            (json!(9), json!(3), true),
            (json!(10), json!(3), false),
            (json!(9_007_199_254_740_993_i64), json!(2), false),
            (json!(1.5), json!(0.5), true),
            (json!(1.6), json!(0.5), false),
        ] {
            let (Value::Number(number), Value::Number(factor)) = (&number, &factor) else {
                panic!("the table holds numbers")
            };
            assert_eq!(is_multiple(number, factor), expected, "{number} of {factor}");
        }
    }

    #[test]
    fn the_same_meaning_has_the_same_fingerprint() {
        let cases = [
            (json!(1), json!(1.0), true),
            (json!({"a": [1, "x"]}), json!({"a": [1.0, "x"]}), true),
            (json!("1"), json!(1), false),
            (json!([]), json!({}), false),
            (json!(["a,"]), json!(["a", ""]), false),
        ];
        for (a, b, expected) in cases {
            assert_eq!(same(&a, &b), expected, "{a} {b}");
            assert_eq!(fingerprint(&a) == fingerprint(&b), expected, "{a} {b}");
        }
    }
}
