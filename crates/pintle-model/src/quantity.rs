//! Amounts as Kubernetes writes them: `10`, `1k`, `500m`, `1.5Gi`, `1e3`.
//!
//! Grammar and canonical form are those of `apimachinery/pkg/api/resource`, because its clients
//! read and compare them.

use std::fmt;

use serde_json::Value;

/// An amount, exact to a billionth. What is finer is rounded up, what is larger than 2⁶³ - 1 counts
/// as that; as upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quantity {
    nanos: i128,
    form: Form,
}

/// How it was written, and is written again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `1k`.
    Decimal,
    /// `1Ki`.
    Binary,
    /// `1e3`.
    Exponent,
}

/// Why a text is no quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "quantities must match the regular expression \
     '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$', in at most {TEXT_BYTES_MAX} bytes"
)]
pub struct InvalidQuantity;

/// A quantity may be written with so many bytes.
const TEXT_BYTES_MAX: usize = 256;

const NANOS: i128 = 1_000_000_000;
const NANOS_MAX: i128 = 9_223_372_036_854_775_807 * NANOS;

/// From a billionth on, each a thousand times the one before.
const DECIMAL: [&str; 10] = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
const EXPONENTS: [&str; 10] = ["e-9", "e-6", "e-3", "", "e3", "e6", "e9", "e12", "e15", "e18"];
/// From one on, each 1024 times the one before.
const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

impl Quantity {
    /// Reads a quantity.
    pub fn parse(text: &str) -> Result<Self, InvalidQuantity> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(InvalidQuantity);
        }
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let is_digit = |letter: char| letter.is_ascii_digit() || letter == '.';
        let (number, suffix) =
            unsigned.split_at(unsigned.find(|it| !is_digit(it)).unwrap_or(unsigned.len()));
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) {
            return Err(InvalidQuantity);
        }
        let (form, unit) = Unit::parse(suffix).ok_or(InvalidQuantity)?;
        let nanos = unit.nanos(whole, fraction).min(NANOS_MAX);
        Ok(Self { nanos: if text.starts_with('-') { -nanos } else { nanos }, form })
    }

    /// Reads a quantity from a document, where it may be a number, too.
    pub fn of(value: &Value) -> Result<Self, InvalidQuantity> {
        match value {
            Value::String(text) => Self::parse(text),
            Value::Number(number) => Self::parse(&number.to_string()),
            _ => Err(InvalidQuantity),
        }
    }

    /// Whether it is less than nothing.
    pub const fn is_negative(self) -> bool {
        self.nanos < 0
    }

    /// Whether it counts things that cannot be divided.
    pub const fn is_whole(self) -> bool {
        self.nanos % NANOS == 0
    }

    /// How many whole things fit into it.
    pub fn count(self) -> u64 {
        u64::try_from(self.nanos / NANOS).unwrap_or(0)
    }

    /// Takes as many factors out of an amount as there are units, and writes what is left with the
    /// unit that it came to.
    fn write(
        f: &mut fmt::Formatter<'_>,
        mut amount: i128,
        factor: i128,
        units: &[&str],
    ) -> fmt::Result {
        let mut units = units.iter().peekable();
        let mut unit = units.next();
        while amount != 0 && amount % factor == 0 && units.peek().is_some() {
            amount /= factor;
            unit = units.next();
        }
        write!(f, "{amount}{}", unit.copied().unwrap_or_default())
    }
}

impl From<u64> for Quantity {
    fn from(count: u64) -> Self {
        let nanos = i128::from(count).saturating_mul(NANOS).min(NANOS_MAX);
        Self { nanos, form: Form::Decimal }
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.form {
            _ if self.nanos == 0 => f.write_str("0"),
            Form::Binary if self.nanos.abs() >= 1024 * NANOS => {
                Self::write(f, divided_up(self.nanos, NANOS), 1024, &BINARY)
            }
            Form::Decimal | Form::Binary => Self::write(f, self.nanos, 1000, &DECIMAL),
            Form::Exponent => Self::write(f, self.nanos, 1000, &EXPONENTS),
        }
    }
}

/// What a number is multiplied with.
#[derive(Debug, Clone, Copy)]
enum Unit {
    /// Ten to the power of this.
    Ten(i32),
    /// Two to the power of this.
    Two(u32),
}

impl Unit {
    fn parse(suffix: &str) -> Option<(Form, Self)> {
        let place = |units: &[&str]| units.iter().position(|unit| *unit == suffix);
        if let Some(place) = place(&DECIMAL) {
            return Some((Form::Decimal, Self::Ten(i32::try_from(place).ok()? * 3 - 9)));
        }
        if let Some(place) = place(&BINARY) {
            return Some((Form::Binary, Self::Two(u32::try_from(place).ok()? * 10)));
        }
        let power = suffix.strip_prefix(['e', 'E'])?;
        Some((Form::Exponent, Self::Ten(power.parse().ok()?)))
    }

    fn nanos(self, whole: &str, fraction: &str) -> i128 {
        // In units of 10⁻¹⁸: more than is told apart in the end.
        const FINE: usize = 18;
        let digits = |text: &str| {
            text.bytes().fold(0_i128, |number, digit| {
                number.saturating_mul(10).saturating_add(i128::from(digit - b'0'))
            })
        };
        let (fine, rest) = fraction.split_at(FINE.min(fraction.len()));
        let finer = i128::from(rest.bytes().any(|digit| digit != b'0'));
        let number = digits(&format!("{whole}{fine:0<FINE$}")).saturating_add(finer);
        let nanos = divided_up(number, NANOS);
        match self {
            Self::Two(power) => divided_up(number.saturating_mul(1 << power), NANOS),
            Self::Ten(power) => match 10_i128.checked_pow(power.unsigned_abs()) {
                _ if number == 0 => 0,
                Some(factor) if power < 0 => divided_up(nanos, factor),
                None if power < 0 => 1,
                Some(factor) => divided_up(number.saturating_mul(factor), NANOS),
                None => NANOS_MAX,
            },
        }
    }
}

/// A quotient, rounded away from zero.
const fn divided_up(number: i128, by: i128) -> i128 {
    let rest = number % by;
    number / by + if rest == 0 { 0 } else { rest.signum() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_read_and_write_as_kubernetes() {
        let cases = [
            ("0", "0", 0),
            ("5", "5", 5),
            ("+5", "5", 5),
            ("005", "5", 5),
            ("5.", "5", 5),
            (".5", "500m", 0),
            ("0.5", "500m", 0),
            ("1500m", "1500m", 1),
            ("2000m", "2", 2),
            ("1k", "1k", 1_000),
            ("1000", "1k", 1_000),
            ("1500", "1500", 1_500),
            ("1.5k", "1500", 1_500),
            ("1M", "1M", 1_000_000),
            ("1e3", "1e3", 1_000),
            ("1E3", "1e3", 1_000),
            ("15e2", "1500", 1_500),
            ("1e-3", "1e-3", 0),
            ("1E", "1E", 1_000_000_000_000_000_000),
            ("1Ki", "1Ki", 1_024),
            ("1024Ki", "1Mi", 1_048_576),
            ("1.5Gi", "1536Mi", 1_610_612_736),
            ("0.5Ki", "512", 512),
            ("1000Ki", "1000Ki", 1_024_000),
            ("100u", "100u", 0),
            ("1n", "1n", 0),
            ("0.1n", "1n", 0),
            ("1e-40", "1e-9", 0),
            ("0.0000000000000000000000000001", "1n", 0),
            ("9223372036854775807", "9223372036854775807", 9_223_372_036_854_775_807),
            ("9223372036854775808", "9223372036854775807", 9_223_372_036_854_775_807),
            ("99999999999999999999999999999999", "9223372036854775807", i64::MAX.unsigned_abs()),
            ("8Ei", "9223372036854775807", i64::MAX.unsigned_abs()),
            ("1e400", "9223372036854775807", i64::MAX.unsigned_abs()),
            ("0e400", "0", 0),
            ("-3", "-3", 0),
            ("-1500m", "-1500m", 0),
        ];
        for (text, canonical, count) in cases {
            let read = Quantity::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
            assert_eq!((read.to_string().as_str(), read.count()), (canonical, count), "{text:?}");
            let again = Quantity::parse(canonical).unwrap();
            assert_eq!(again.nanos, read.nanos, "{text:?}");
        }
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        let long = "1".repeat(257);
        let cases = [
            "",
            "-",
            "+",
            ".",
            "1.2.3",
            "1 ",
            " 1",
            "1x",
            "1K",
            "ki",
            "1kk",
            "1e",
            "1e1.5",
            "0x10",
            "1i",
            "--1",
            "1ki",
            "1m3",
            "ten",
            "1,5",
            "٣",
            "1e99999999999",
            &long,
        ];
        for text in cases {
            // `1E` is an exa, and `1e` nothing.
            assert_eq!(Quantity::parse(text), Err(InvalidQuantity), "{text:?}");
        }
        for value in [Value::Null, Value::Bool(true), serde_json::json!({"a": 1})] {
            assert_eq!(Quantity::of(&value), Err(InvalidQuantity), "{value}");
        }
    }

    #[test]
    fn signs_and_fractions_are_told() {
        let cases =
            [("1", false, true), ("-1", true, true), ("0.5", false, false), ("-0", false, true)];
        for (text, negative, whole) in cases {
            let read = Quantity::parse(text).unwrap();
            assert_eq!((read.is_negative(), read.is_whole()), (negative, whole), "{text:?}");
        }
        assert_eq!(Quantity::from(1_000).to_string(), "1k");
        assert_eq!(Quantity::of(&serde_json::json!(12)).unwrap().count(), 12);
    }
}
