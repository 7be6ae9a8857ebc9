//! The figures of docs/EMBEDDING.md.

use std::fmt::Write;

use snapshot_io::Snapshotter;

/// In the text format of Prometheus.
pub fn metrics(log: &Snapshotter) -> String {
    let (stats, progress) = (log.stats(), log.progress());
    let is_durable = progress.durable == progress.accepted;
    let mut text = String::new();
    for (name, value) in [
        ("snapshot_healthy", u64::from(log.health().is_good())),
        ("snapshot_durable", u64::from(is_durable)),
        ("snapshot_pending_bytes", stats.pending_bytes),
        ("snapshot_log_bytes", stats.log_bytes),
        ("snapshot_records_total", stats.records),
        ("snapshot_refused_total", stats.refused),
        ("snapshot_writes_total", stats.writes),
        ("snapshot_syncs_total", stats.syncs),
        ("snapshot_rewrites_total", stats.rewrites),
        ("snapshot_failures_total", stats.failures),
        ("snapshot_overflows_total", stats.overflows),
        ("snapshot_foreign_writes_total", stats.foreign_writes),
    ] {
        let _ = writeln!(text, "{name} {value}");
    }
    text
}
