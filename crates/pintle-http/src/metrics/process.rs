//! What the system says about this process; nothing where it has no `/proc`.

use super::text::{Kind, Text};

/// The unit of times in `/proc`, which programs have seen as this for as long as there is Linux.
const TICKS_A_SECOND: f64 = 100.0;

pub(super) fn show(text: &mut Text) {
    text.family("process_resident_memory_bytes", Kind::Gauge, "Memory that is in use.");
    if let Some(bytes) = resident_bytes() {
        text.sample("process_resident_memory_bytes", &[], bytes);
    }
    text.family("process_cpu_seconds_total", Kind::Counter, "Processor time that was used.");
    if let Some(seconds) = cpu_seconds() {
        text.sample("process_cpu_seconds_total", &[], seconds);
    }
    text.family("process_open_fds", Kind::Gauge, "File descriptors that are open.");
    if let Ok(descriptors) = std::fs::read_dir("/proc/self/fd") {
        text.sample("process_open_fds", &[], descriptors.count());
    }
}

fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// The 14th and 15th field; the second one, in brackets, may have spaces in it.
fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (_, after) = stat.rsplit_once(')')?;
    let mut ticks = after.split_whitespace().skip(11).map(str::parse::<u32>);
    let (user, system) = (ticks.next()?.ok()?, ticks.next()?.ok()?);
    Some((f64::from(user) + f64::from(system)) / TICKS_A_SECOND)
}
