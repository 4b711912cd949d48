//! Follows the configuration file, so that a change of it, or of a token or certificate, needs no restart.

use std::sync::Arc;
use std::time::Duration;

use super::prometheus::Reload;
use super::reconcile::Context;

/// How often the files are compared with what they were.
const EVERY: Duration = Duration::from_secs(5);

/// Looks at the configuration every few seconds, for ever. One that has become invalid is reported once.
pub(super) async fn follow(context: Arc<Context>) {
    context.metrics.config_loaded(context.clock.now());
    if !context.sources.have_a_file() {
        return;
    }
    loop {
        context.clock.sleep(EVERY).await;
        let sources = context.sources.clone();
        // A volume that hangs holds up the next look and nothing else.
        match tokio::task::spawn_blocking(move || sources.refresh()).await {
            Ok(Reload::Unchanged) => {}
            Ok(Reload::Loaded(sources)) => {
                context.metrics.config_loaded(context.clock.now());
                tracing::info!(sources, "the configuration has changed and is in force");
            }
            Ok(Reload::Refused(mistakes)) => {
                context.metrics.config_refused();
                let mistakes: Vec<String> = mistakes.0.iter().map(ToString::to_string).collect();
                tracing::error!(
                    "the configuration has changed and is invalid; the old one stays in force: {}",
                    mistakes.join("; ")
                );
            }
            Err(error) => tracing::error!(%error, "the configuration could not be looked at"),
        }
    }
}
