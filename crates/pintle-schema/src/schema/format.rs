//! The text formats that Kubernetes checks; any other is a remark.
//!
//! The list is `supportedVersionedFormats` of apiextensions-apiserver, the meanings are those of
//! kube-openapi's `strfmt`. Dashes in names do not count: `date-time` is `datetime`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use pintle_model::{FieldPath, NameRule, validate_name};

/// A text format.
#[derive(Clone, Copy)]
pub(super) struct Format {
    name: &'static str,
    accepts: fn(&str) -> bool,
}

impl Format {
    /// The format of that name, when it is one that is checked.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let plain = |name: &str| name.replace('-', "");
        FORMATS.iter().find(|format| plain(format.name) == plain(name)).copied()
    }

    /// Whether a text has this format.
    pub(super) fn accepts(self, text: &str) -> bool {
        (self.accepts)(text)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

const fn format(name: &'static str, accepts: fn(&str) -> bool) -> Format {
    Format { name, accepts }
}

/// `password` is left out: it accepts everything.
const FORMATS: &[Format] = &[
    format("bsonobjectid", |text| text.len() == 24 && is_hex(text)),
    format("uri", is_uri),
    format("email", is_email),
    format("hostname", is_hostname),
    format("ipv4", |text| text.parse::<Ipv4Addr>().is_ok()),
    format("ipv6", |text| text.parse::<Ipv6Addr>().is_ok()),
    format("cidr", is_cidr),
    format("mac", is_mac),
    format("uuid", |text| is_uuid(text, None)),
    format("uuid3", |text| is_uuid(text, Some('3'))),
    format("uuid4", |text| is_uuid(text, Some('4'))),
    format("uuid5", |text| is_uuid(text, Some('5'))),
    format("isbn", |text| is_isbn10(text) || is_isbn13(text)),
    format("isbn10", is_isbn10),
    format("isbn13", is_isbn13),
    format("creditcard", is_credit_card),
    format("ssn", is_social_security_number),
    format("hexcolor", is_hex_color),
    format("rgbcolor", is_rgb_color),
    format("byte", is_base64),
    format("date", is_date),
    format("duration", is_duration),
    format("date-time", is_date_time),
    format("k8s-short-name", |text| is_name(text, NameRule::Label)),
    format("k8s-long-name", |text| is_name(text, NameRule::Subdomain)),
];

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_name(text: &str, rule: NameRule) -> bool {
    validate_name(FieldPath::ROOT, text, rule).is_ok()
}

/// As Go's `url.ParseRequestURI`: an absolute path, or a scheme and something after it.
fn is_uri(text: &str) -> bool {
    let scheme_end = text.find(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c)));
    let has_scheme = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme_end.is_some_and(|end| text.as_bytes().get(end) == Some(&b':'));
    let escapes_are_whole = text.split('%').skip(1).all(|after| {
        after.as_bytes().get(..2).is_some_and(|pair| pair.iter().all(u8::is_ascii_hexdigit))
    });
    (text.starts_with('/') || has_scheme)
        && escapes_are_whole
        && !text.contains(|c: char| c.is_ascii_control() || c == ' ')
}

/// `local@domain`, or `Name <local@domain>`.
fn is_email(text: &str) -> bool {
    let address = match text.trim_end().strip_suffix('>') {
        Some(named) => named.rsplit_once('<').map_or("", |(_, address)| address),
        None => text.trim(),
    };
    let atom = |part: &str| {
        let special = |c: char| c.is_ascii_control() || " ()<>[]:;@\\,\"".contains(c);
        !part.is_empty() && !part.contains(special) && part.split('.').all(|atom| !atom.is_empty())
    };
    let quoted = |part: &str| part.len() > 2 && part.starts_with('"') && part.ends_with('"');
    address
        .rsplit_once('@')
        .is_some_and(|(local, domain)| (atom(local) || quoted(local)) && atom(domain))
}

fn is_hostname(text: &str) -> bool {
    let label = |label: &str| {
        let edge = |c: char| c.is_alphanumeric();
        (1..=63).contains(&label.chars().count())
            && label.starts_with(edge)
            && label.ends_with(edge)
            && label.chars().all(|c| edge(c) || c == '-')
    };
    text.len() <= 255 && text.split('.').all(label)
}

fn is_cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    let max = match address.parse() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    is_digits(bits) && bits.parse::<u32>().is_ok_and(|bits| bits <= max)
}

/// 6, 8 or 20 bytes, written as `00:00:…`, `00-00-…` or `0000.0000.…`.
fn is_mac(text: &str) -> bool {
    let grouped = |separator: char, digits: usize| {
        let groups = text.split(separator).count();
        let bytes = groups * digits / 2;
        groups > 1
            && [6, 8, 20].contains(&bytes)
            && text.split(separator).all(|group| group.len() == digits && is_hex(group))
    };
    grouped(':', 2) || grouped('-', 2) || grouped('.', 4)
}

/// Each dash may be missing, as in upstream's expression. Versions 4 and 5 also fix the variant.
fn is_uuid(text: &str, version: Option<char>) -> bool {
    let mut rest = text;
    let mut digits = String::with_capacity(32);
    for (position, length) in [8, 4, 4, 4, 12].into_iter().enumerate() {
        if position > 0 {
            rest = rest.strip_prefix('-').unwrap_or(rest);
        }
        let Some((group, tail)) = rest.split_at_checked(length) else { return false };
        digits.push_str(group);
        rest = tail;
    }
    let digit = |at: usize| digits.chars().nth(at).map(|c| c.to_ascii_lowercase());
    let variant_fits =
        !matches!(version, Some('4' | '5')) || matches!(digit(16), Some('8' | '9' | 'a' | 'b'));
    rest.is_empty()
        && is_hex(&digits)
        && version.is_none_or(|version| digit(12) == Some(version))
        && variant_fits
}

fn without_separators(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, ' ' | '-')).collect()
}

fn is_isbn10(text: &str) -> bool {
    let digits = without_separators(text);
    let value = |(at, c): (usize, char)| match c {
        'X' if at == 9 => Some(10),
        c => c.to_digit(10),
    };
    let values: Option<Vec<u32>> = digits.chars().enumerate().map(value).collect();
    values.is_some_and(|values| {
        values.len() == 10 && values.iter().zip(1..).map(|(v, at)| v * at).sum::<u32>() % 11 == 0
    })
}

fn is_isbn13(text: &str) -> bool {
    let values: Option<Vec<u32>> =
        without_separators(text).chars().map(|c| c.to_digit(10)).collect();
    values.is_some_and(|values| {
        let weighted = values.iter().zip([1, 3].into_iter().cycle()).map(|(v, weight)| v * weight);
        values.len() == 13 && weighted.sum::<u32>() % 10 == 0
    })
}

/// 13 to 16 digits whose Luhn sum is right, with anything between them.
fn is_credit_card(text: &str) -> bool {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(10)).collect();
    let doubled = |digit: u32| if digit > 4 { digit * 2 - 9 } else { digit * 2 };
    let luhn = |(at, digit): (usize, &u32)| if at % 2 == 1 { doubled(*digit) } else { *digit };
    (13..=16).contains(&digits.len())
        && matches!(digits.first(), Some(1..=6))
        && digits.iter().rev().enumerate().map(luhn).sum::<u32>() % 10 == 0
}

/// `123-45-6789`; each separator may be a space or missing.
fn is_social_security_number(text: &str) -> bool {
    let mut rest = text;
    for (position, length) in [3, 2, 4].into_iter().enumerate() {
        if position > 0 {
            rest = rest.strip_prefix(['-', ' ']).unwrap_or(rest);
        }
        match rest.split_at_checked(length) {
            Some((digits, tail)) if is_digits(digits) => rest = tail,
            _ => return false,
        }
    }
    rest.is_empty()
}

fn is_hex_color(text: &str) -> bool {
    let digits = text.strip_prefix('#').unwrap_or(text);
    [3, 6].contains(&digits.len()) && is_hex(digits)
}

/// `rgb(255, 255, 255)`.
fn is_rgb_color(text: &str) -> bool {
    let inner = text.strip_prefix("rgb(").and_then(|rest| rest.strip_suffix(')'));
    let channel = |part: &str| is_digits(part.trim()) && part.trim().parse::<u8>().is_ok();
    inner.is_some_and(|inner| inner.split(',').count() == 3 && inner.split(',').all(channel))
}

/// Standard alphabet, padded.
fn is_base64(text: &str) -> bool {
    let data = text.trim_end_matches('=');
    let padding = text.len() - data.len();
    !text.is_empty()
        && text.len().is_multiple_of(4)
        && padding <= 2
        && data.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(&byte))
}

fn is_date(text: &str) -> bool {
    let shaped = text.len() == 10
        && text.bytes().enumerate().all(|(at, byte)| {
            if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() }
        });
    shaped && text.parse::<jiff::civil::Date>().is_ok()
}

/// RFC 3339: date, `T`, time, offset.
fn is_date_time(text: &str) -> bool {
    let Some((date, time)) = text.split_once(['T', 't']) else { return false };
    let time = time.to_ascii_uppercase();
    let Some(offset_at) = time.find(['Z', '+', '-']) else { return false };
    let (clock, offset) = time.split_at(offset_at);
    is_date(date) && is_clock(clock) && is_offset(offset)
}

/// `23:59:60.123`
fn is_clock(text: &str) -> bool {
    let (whole, fraction) = text.split_once('.').map_or((text, "0"), |(w, f)| (w, f));
    let mut parts = whole.split(':');
    let mut part = |max| parts.next().is_some_and(|part| is_two_digits(part, max));
    part(23) && part(59) && part(60) && parts.next().is_none() && is_digits(fraction)
}

fn is_offset(text: &str) -> bool {
    let numeric = text.strip_prefix(['+', '-']).and_then(|rest| rest.split_once(':'));
    text == "Z" || numeric.is_some_and(|(h, m)| is_two_digits(h, 23) && is_two_digits(m, 59))
}

fn is_two_digits(text: &str, max: u32) -> bool {
    text.len() == 2 && is_digits(text) && text.parse::<u32>().is_ok_and(|number| number <= max)
}

/// Go's `1h30m`, or a number and a unit in words: `22 ns`, `3 days`.
fn is_duration(text: &str) -> bool {
    is_go_duration(text) || is_worded_duration(text)
}

fn is_go_duration(text: &str) -> bool {
    const UNITS: [&str; 7] = ["ns", "us", "\u{b5}s", "\u{3bc}s", "ms", "s", "m"];
    let mut rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    if rest == "0" {
        return true;
    }
    let mut parts = 0;
    while let Some(after_number) = skip_number(rest) {
        let units = UNITS.into_iter().chain(["h"]);
        let Some(after_unit) =
            units.filter_map(|unit| after_number.strip_prefix(unit)).min_by_key(|rest| rest.len())
        else {
            return false;
        };
        rest = after_unit;
        parts += 1;
    }
    parts > 0 && rest.is_empty()
}

/// What follows a decimal number with at least one digit.
fn skip_number(text: &str) -> Option<&str> {
    let rest = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let number = text.strip_suffix(rest)?;
    let fits = number.matches('.').count() <= 1 && number.contains(|c: char| c.is_ascii_digit());
    fits.then_some(rest)
}

fn is_worded_duration(text: &str) -> bool {
    const UNITS: [&str; 22] = [
        "ns",
        "nano",
        "nanos",
        "nanosecond",
        "nanoseconds",
        "us",
        "micro",
        "micros",
        "microsecond",
        "microseconds",
        "ms",
        "milli",
        "millis",
        "millisecond",
        "milliseconds",
        "s",
        "sec",
        "secs",
        "m",
        "h",
        "d",
        "w",
    ];
    const WORDS: [&str; 6] = ["second", "min", "minute", "hr", "hour", "day"];
    let text = text.trim();
    let Some(unit) = skip_number(text).map(|unit| unit.trim().to_lowercase()) else { return false };
    let singular = unit.strip_suffix('s').unwrap_or(&unit);
    UNITS.contains(&unit.as_str())
        || WORDS.contains(&singular)
        || ["week", "wk"].contains(&singular)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CASES: &[(&str, &[&str], &[&str])] = &[
        (
            "date-time",
            &["2024-02-29T12:00:00Z", "2024-01-01t00:00:00.5+02:00", "2016-12-31T23:59:60Z"],
            &[
                "2023-02-29T12:00:00Z",
                "2024-01-01 00:00:00Z",
                "2024-01-01T00:00:00",
                "2024-01-01T24:00:00Z",
                "",
            ],
        ),
        ("datetime", &["2024-01-01T00:00:00Z"], &["now"]),
        ("date", &["2024-02-29"], &["2023-02-29", "2024-2-9", "2024-01-01T00:00:00Z", ""]),
        (
            "duration",
            &["0", "1h30m", "1.5s", "-5ms", "22 ns", "3 days", "1us", "2 weeks"],
            &["", "h", "5", "1x", "1h x"],
        ),
        ("email", &["a@b.io", "Ann <a.b@c.org>"], &["a", "@b", "a@", "a b@c", "a@b..c"]),
        ("ipv4", &["10.0.0.1"], &["10.0.0", "10.0.0.256", "010.0.0.1", "::1"]),
        ("ipv6", &["::1", "2001:db8::"], &["10.0.0.1", ":::"]),
        (
            "cidr",
            &["10.0.0.0/8", "2001:db8::/32"],
            &["10.0.0.0", "10.0.0.0/33", "10.0.0.0/+8", "::/129"],
        ),
        (
            "uri",
            &["https://a.io/x?y=%20", "/path", "mailto:a@b"],
            &["a.io/x", "", "http://a b", "/%zz"],
        ),
        ("hostname", &["a-b.io", "localhost"], &["-a.io", "a..b", "", "a_b"]),
        (
            "uuid",
            &["123e4567-e89b-12d3-a456-426614174000", "123E4567E89B12D3A456426614174000"],
            &["123e4567", "123e4567-e89b-12d3-a456-42661417400g", "é"],
        ),
        (
            "uuid3",
            &["123e4567-e89b-32d3-0456-426614174000"],
            &["123e4567-e89b-12d3-a456-426614174000"],
        ),
        (
            "uuid4",
            &["123e4567-e89b-42d3-a456-426614174000"],
            &["123e4567-e89b-42d3-0456-426614174000"],
        ),
        (
            "uuid5",
            &["123e4567-e89b-52d3-A456-426614174000"],
            &["123e4567-e89b-42d3-a456-426614174000"],
        ),
        ("byte", &["aGk=", "aGVsbG8h"], &["", "a", "aGk", "aG k=", "===="]),
        (
            "mac",
            &["00:1a:2b:3c:4d:5e", "00-1A-2B-3C-4D-5E", "001a.2b3c.4d5e"],
            &["00:1a", "001a2b3c4d5e", "00:1a:2b:3c:4d:5g"],
        ),
        (
            "bsonobjectid",
            &["507f1f77bcf86cd799439011"],
            &["507f1f77bcf86cd79943901", "507f1f77bcf86cd79943901g"],
        ),
        ("isbn", &["0321751043", "978-0321751041"], &["0321751044", "978-0321751042", ""]),
        ("isbn10", &["080442957X"], &["978-0321751041"]),
        ("isbn13", &["9780321751041"], &["0321751043"]),
        ("creditcard", &["4111-1111-1111-1111"], &["4111-1111-1111-1112", "4111"]),
        ("ssn", &["111-11-1111", "111111111"], &["111-1-1111", "111-11-111a"]),
        ("hexcolor", &["#fff", "FFFFFF"], &["#ff", "#ggg"]),
        ("rgbcolor", &["rgb(255, 0,1)"], &["rgb(256,0,0)", "rgb(1,2)", "255,0,0"]),
        ("k8s-short-name", &["a-1"], &["a.b", "A"]),
        ("k8s-long-name", &["a.b"], &["-a"]),
    ];
    #[test]
    fn formats_accept_what_kubernetes_accepts() {
        for (name, good, bad) in CASES {
            let format = Format::parse(name).expect(name);
            for text in *good {
                assert!(format.accepts(text), "{name} should accept {text:?}");
            }
            for text in *bad {
                assert!(!format.accepts(text), "{name} should refuse {text:?}");
            }
        }
    }

    #[test]
    fn other_formats_are_not_checked() {
        for name in ["password", "quantity", "int64", "my-own", ""] {
            assert!(Format::parse(name).is_none(), "{name}");
        }
    }
}
