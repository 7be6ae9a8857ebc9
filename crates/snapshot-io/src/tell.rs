//! One word for each change of health, to the host and to the log.

use std::fmt;

use snapshot_engine::Health;

use crate::NotDurable;
use crate::options::OnHealth;

/// Knows what was told last, so that nothing is told twice.
pub(crate) struct Teller {
    told: Health,
    on_health: Option<OnHealth>,
}

impl Teller {
    /// Whoever has just opened the snapshot can see its health, so that is taken as told.
    pub(crate) fn new(health: Health, on_health: Option<OnHealth>) -> Self {
        Self { told: health, on_health }
    }

    /// Tells what has changed, if anything has, and the failure that has led to it.
    pub(crate) fn tell(&mut self, health: Health, failure: Option<&NotDurable>) {
        if std::mem::replace(&mut self.told, health) == health {
            return;
        }
        #[cfg(feature = "tracing")]
        match failure {
            Some(failure) => tracing::warn!(%health, %failure, "snapshot"),
            None if health.is_good() => tracing::info!(%health, "snapshot"),
            None => tracing::warn!(%health, "snapshot"),
        }
        #[cfg(not(feature = "tracing"))]
        let _ = failure;
        if let Some(call) = &self.on_health {
            call(health);
        }
    }
}

impl fmt::Debug for Teller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Teller").field("told", &self.told).finish_non_exhaustive()
    }
}
