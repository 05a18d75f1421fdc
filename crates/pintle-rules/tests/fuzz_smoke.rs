//! The fuzz targets without a fuzzer: every seed, and a few thousand mutations of the seeds.

#![cfg(test)]

#[path = "../../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "the fuzz targets reach it")]
mod bodies;

use std::fs;
use std::path::Path;

const MUTATIONS: u64 = 3_000;

fn check(target: &str, body: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
    let mut files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let seeds: Vec<_> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    assert!(!seeds.is_empty(), "{target} has no seeds");
    for seed in &seeds {
        body(seed);
    }
    let mut dice = Dice(0x5eed);
    for _ in 0..MUTATIONS {
        let mut input = dice.pick(&seeds).clone();
        for _ in 0..=dice.below(3) {
            mutate(&mut input, &seeds, &mut dice);
        }
        let shown = String::from_utf8_lossy(&input).into_owned();
        let outcome = std::panic::catch_unwind(|| body(&input));
        assert!(outcome.is_ok(), "{target} broke on {shown:?}");
    }
}

/// Pieces that mean something to some reader.
const WORDS: [&str; 28] = [
    "null",
    "true",
    "{}",
    "[]",
    "\"\"",
    "-1",
    "0.1",
    "1e308",
    "18446744073709551615",
    "\"spec\":",
    "\"status\":",
    "\"metadata\":",
    "\"conditions\":",
    "\"type\":",
    "\"default\":",
    "\"items\":",
    "\"nullable\":true,",
    "/-",
    "~1",
    "~0",
    "/status",
    "/spec",
    "/0",
    "\n",
    ",",
    "\\u0000",
    "\u{feff}",
    "é",
];

fn mutate(input: &mut Vec<u8>, seeds: &[Vec<u8>], dice: &mut Dice) {
    let at = dice.below(input.len() + 1);
    let to = at + dice.below((input.len() - at).min(16) + 1);
    match dice.below(5) {
        0 => input.splice(at..to, []).for_each(drop),
        1 => input.splice(at..to, dice.pick(&WORDS).bytes()).for_each(drop),
        2 => {
            let copied = input[at..to].to_vec();
            input.splice(at..at, copied).for_each(drop);
        }
        3 => {
            let other = dice.pick(seeds);
            let from = dice.below(other.len() + 1);
            input.splice(at.., other[from..].iter().copied()).for_each(drop);
        }
        _ => input.splice(at..to, [dice.byte()]).for_each(drop),
    }
}

/// The same numbers in every run.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        // Steele, Lea and Flood's SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

#[test]
fn json() {
    check("json", bodies::json);
}

#[test]
fn patch() {
    check("patch", bodies::patch);
}

#[test]
fn schema() {
    check("schema", bodies::schema);
}

#[test]
fn selector() {
    check("selector", bodies::selector);
}

#[test]
fn decide() {
    check("decide", bodies::decide);
}
