//! How single settings are written: addresses, durations, sizes, switches.

use std::net::SocketAddr;
use std::time::Duration;

/// A value that cannot be read, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct InvalidValue(&'static str);

pub(super) fn address(text: &str) -> Result<SocketAddr, InvalidValue> {
    text.parse().map_err(|_| {
        InvalidValue("expected an IP address and a port, such as 127.0.0.1:8080 or [::1]:8080")
    })
}

pub(super) fn switch(text: &str) -> Result<bool, InvalidValue> {
    text.parse().map_err(|_| InvalidValue("expected true or false"))
}

/// The longest unit comes first, as in `1h30m`; a unit is never left out.
pub(crate) fn duration(text: &str) -> Result<Duration, InvalidValue> {
    const INVALID: InvalidValue =
        InvalidValue("expected a duration in d, h, m, s or ms, such as 5m, 300s or 1h30m");
    const TOO_LONG: InvalidValue = InvalidValue("expected a duration of at most 36500d");
    let mut total_ms: u64 = 0;
    let mut last_factor = u64::MAX;
    let mut rest = text;
    while !rest.is_empty() {
        let (number, tail) = split_where(rest, |c| !c.is_ascii_digit());
        let (unit, tail) = split_where(tail, |c| c.is_ascii_digit());
        let factor = unit_ms(unit).filter(|factor| *factor < last_factor).ok_or(INVALID)?;
        if number.is_empty() {
            return Err(INVALID);
        }
        let part_ms = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
        total_ms = part_ms
            .and_then(|part_ms| total_ms.checked_add(part_ms))
            .filter(|total_ms| *total_ms <= DURATION_MS_MAX)
            .ok_or(TOO_LONG)?;
        last_factor = factor;
        rest = tail;
    }
    if text.is_empty() { Err(INVALID) } else { Ok(Duration::from_millis(total_ms)) }
}

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// A hundred years: whoever adds it to the current time does not overflow.
const DURATION_MS_MAX: u64 = 36_500 * DAY_MS;

fn unit_ms(unit: &str) -> Option<u64> {
    match unit {
        "d" => Some(DAY_MS),
        "h" => Some(60 * 60 * 1000),
        "m" => Some(60 * 1000),
        "s" => Some(1000),
        "ms" => Some(1),
        _ => None,
    }
}

pub(super) fn size(text: &str) -> Result<u64, InvalidValue> {
    const INVALID: InvalidValue =
        InvalidValue("expected a number of bytes, such as 1073741824, 500MB or 1GiB");
    let (number, unit) = split_where(text, |c| !c.is_ascii_digit());
    let factor = unit_bytes(unit.trim_start()).ok_or(INVALID)?;
    let number: u64 = number.parse().map_err(|_| INVALID)?;
    number.checked_mul(factor).ok_or(InvalidValue("expected a size of less than 16777216TiB"))
}

fn unit_bytes(unit: &str) -> Option<u64> {
    let bytes = match unit {
        "" | "B" => 1,
        "kB" | "KB" => 1000,
        "MB" => 1000_u64.pow(2),
        "GB" => 1000_u64.pow(3),
        "TB" => 1000_u64.pow(4),
        "KiB" => 1024,
        "MiB" => 1024_u64.pow(2),
        "GiB" => 1024_u64.pow(3),
        "TiB" => 1024_u64.pow(4),
        _ => return None,
    };
    Some(bytes)
}

pub(super) fn body_size(text: &str) -> Result<usize, InvalidValue> {
    const RANGE: std::ops::RangeInclusive<u64> = 1024..=1024 * 1024 * 1024;
    let bytes = size(text)?;
    usize::try_from(bytes)
        .ok()
        .filter(|_| RANGE.contains(&bytes))
        .ok_or(InvalidValue("expected a size from 1KiB to 1GiB"))
}

/// The size that a file may grow to; 0 means any.
pub(super) fn file_size(text: &str) -> Result<u64, InvalidValue> {
    const MIN: u64 = 1024 * 1024;
    let bytes = size(text)?;
    if bytes == 0 || bytes >= MIN {
        Ok(bytes)
    } else {
        Err(InvalidValue("expected a size of at least 1MiB, or 0 for no limit"))
    }
}

/// Splits before the first letter that `ends` the head.
fn split_where(text: &str, ends: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(ends).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        let cases = [
            ("5m", Some(300_000)),
            ("300s", Some(300_000)),
            ("1h30m", Some(5_400_000)),
            ("1d2h3m4s5ms", Some(93_784_005)),
            ("0s", Some(0)),
            ("36500d", Some(DURATION_MS_MAX)),
            ("36500d1ms", None),
            ("99999999999999999999d", None),
            ("", None),
            ("5", None),
            ("m", None),
            ("30m1h", None),
            ("1m1m", None),
            ("1.5h", None),
            ("-5m", None),
            ("5 m", None),
            ("5M", None),
            ("٥m", None),
        ];
        for (text, expected_ms) in cases {
            assert_eq!(duration(text).ok(), expected_ms.map(Duration::from_millis), "{text:?}");
        }
    }

    #[test]
    fn sizes_may_have_units() {
        let cases = [
            ("0", Some(0)),
            ("1073741824", Some(1 << 30)),
            ("1GiB", Some(1 << 30)),
            ("500MB", Some(500_000_000)),
            ("64 KiB", Some(65_536)),
            ("7B", Some(7)),
            ("16777215TiB", Some(16_777_215 << 40)),
            ("16777216TiB", None),
            ("18446744073709551616", None),
            ("", None),
            ("GiB", None),
            ("1.5GiB", None),
            ("-1", None),
            ("1gib", None),
            ("1 GiB ", None),
        ];
        for (text, expected) in cases {
            assert_eq!(size(text).ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn files_have_a_sensible_size() {
        let cases = [("0", Some(0)), ("1MiB", Some(1 << 20)), ("1048575", None), ("x", None)];
        for (text, expected) in cases {
            assert_eq!(file_size(text).ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn bodies_have_a_sensible_size() {
        let cases = [("1023", None), ("1KiB", Some(1024)), ("1GiB", Some(1 << 30)), ("2GiB", None)];
        for (text, expected) in cases {
            assert_eq!(body_size(text).ok(), expected, "{text:?}");
        }
    }
}
