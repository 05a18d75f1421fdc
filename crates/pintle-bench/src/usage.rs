//! What processes and the machine use, from `/proc`. Where there is no `/proc`, nothing is known.

use std::fs;
use std::time::{Duration, Instant};

/// Linux reports CPU time to programs in hundredths of a second on every architecture (`USER_HZ`).
const TICK_MS: u64 = 10;

/// What has been used up to one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    at: Instant,
    own: Option<Duration>,
    server: Option<Duration>,
    machine: Option<Machine>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Machine {
    busy: Duration,
    stolen: Duration,
}

/// What was used between two moments.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Usage {
    /// CPU time of this process.
    pub(crate) own: Option<Duration>,
    /// CPU time of the server.
    pub(crate) server: Option<Duration>,
    /// How many cores everybody else kept busy.
    pub(crate) other_cores: Option<f64>,
    /// How many cores the machine under this one took away.
    pub(crate) stolen_cores: Option<f64>,
}

impl Reading {
    /// What has been used so far, by us and by the server, if its process is known.
    pub(crate) fn take(server: Option<u32>) -> Self {
        Self {
            at: Instant::now(),
            own: process_time("self"),
            server: server.and_then(|pid| process_time(&pid.to_string())),
            machine: fs::read_to_string("/proc/stat").ok().and_then(|text| parse_machine(&text)),
        }
    }

    /// What was used from `earlier` to this.
    pub(crate) fn since(&self, earlier: &Self) -> Usage {
        let own = difference(self.own, earlier.own);
        let server = difference(self.server, earlier.server);
        let busy = difference(self.machine.map(|m| m.busy), earlier.machine.map(|m| m.busy));
        let stolen = difference(self.machine.map(|m| m.stolen), earlier.machine.map(|m| m.stolen));
        let ours = own.unwrap_or_default() + server.unwrap_or_default();
        let cores = |time: Duration| time.as_secs_f64() / (self.at - earlier.at).as_secs_f64();
        Usage {
            own,
            server,
            other_cores: busy.map(|busy| cores(busy.saturating_sub(ours))),
            stolen_cores: stolen.map(cores),
        }
    }
}

fn difference(later: Option<Duration>, earlier: Option<Duration>) -> Option<Duration> {
    Some(later?.saturating_sub(earlier?))
}

/// How much memory a process holds, in bytes.
pub(crate) fn resident_bytes(pid: u32) -> Option<u64> {
    parse_resident(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}

/// How many files, connections included, this process may have open.
pub(crate) fn open_files_max() -> Option<u64> {
    parse_open_files(&fs::read_to_string("/proc/self/limits").ok()?)
}

fn process_time(process: &str) -> Option<Duration> {
    parse_process(&fs::read_to_string(format!("/proc/{process}/stat")).ok()?)
}

/// User and system time: the 14th and 15th field of `/proc/PID/stat` (proc(5)). The second is the
/// program's name in parentheses and may hold anything, so counting begins after its end.
fn parse_process(stat: &str) -> Option<Duration> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    Some(ticks(fields.next()?)? + ticks(fields.next()?)?)
}

/// The first line of `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal (proc(5)).
fn parse_machine(stat: &str) -> Option<Machine> {
    let fields: Vec<Duration> = stat
        .lines()
        .next()?
        .strip_prefix("cpu ")?
        .split_ascii_whitespace()
        .map_while(ticks)
        .collect();
    let &[user, nice, system, _idle, _waiting, hard, soft, stolen, ..] = fields.as_slice() else {
        return None;
    };
    Some(Machine { busy: user + nice + system + hard + soft, stolen })
}

fn parse_resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(kibibytes * 1_024)
}

fn parse_open_files(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

fn ticks(text: &str) -> Option<Duration> {
    let count: u64 = text.parse().ok()?;
    Some(Duration::from_millis(count.saturating_mul(TICK_MS)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_found_behind_any_program_name() {
        let after = " S 1 1 1 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 3 0 100 1 2";
        for name in ["(pintle)", "(a b) c)", "()"] {
            assert_eq!(
                parse_process(&format!("42 {name}{after}")),
                Some(Duration::from_secs(3)),
                "{name}"
            );
        }
        assert_eq!(parse_process("42 (pintle) S 1"), None);
    }

    #[test]
    fn the_machine_is_busy_with_everything_but_waiting() {
        let text = "cpu  100 10 50 9000 300 5 35 20 0 0\ncpu0 1 2 3\n";
        let expected = Machine { busy: Duration::from_secs(2), stolen: Duration::from_millis(200) };
        assert_eq!(parse_machine(text), Some(expected));
        assert_eq!(parse_machine("cpu  1 2 3\n"), None);
        assert_eq!(parse_machine(""), None);
    }

    #[test]
    fn memory_and_limits_are_read() {
        assert_eq!(parse_resident("Name:\tx\nVmRSS:\t    2048 kB\n"), Some(2 * 1_024 * 1_024));
        assert_eq!(parse_resident("Name:\tx\n"), None);
        let limits = "Limit  Soft  Hard\nMax open files            1024   4096   files\n";
        assert_eq!(parse_open_files(limits), Some(1_024));
        assert_eq!(parse_open_files("Max open files  unlimited unlimited files"), None);
    }

    #[test]
    fn usage_is_the_difference_and_others_are_the_rest() {
        let at = Instant::now();
        let seconds = |n| Some(Duration::from_secs(n));
        let machine =
            |busy| Some(Machine { busy: Duration::from_secs(busy), stolen: Duration::ZERO });
        let earlier = Reading { at, own: seconds(1), server: seconds(5), machine: machine(10) };
        let later = Reading {
            at: at + Duration::from_secs(2),
            own: seconds(2),
            server: seconds(6),
            machine: machine(13),
        };
        let usage = later.since(&earlier);
        assert_eq!((usage.own, usage.server), (seconds(1), seconds(1)));
        assert_eq!(usage.other_cores, Some(0.5));
        assert_eq!(usage.stolen_cores, Some(0.0));
    }
}
