//! `tidetable override`: a person's number in the place of every decision, for a while.

use std::io::Write;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::cluster::{Cluster, Place, policy_name};
use super::{Failure, check, runtime, time};
use crate::api::{Mode, OVERRIDE_ANNOTATION, ScalePolicy};
use crate::decision::Override;
use crate::policy::parse_override;
use crate::zones;

/// Who changes the annotation, in the API server's books.
const MANAGER: &str = "tidetable-override";

/// Arguments of `tidetable override`.
#[derive(Clone, Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["replicas", "clear"]))]
#[command(group = clap::ArgGroup::new("end").args(["length", "until"]))]
pub(super) struct Args {
    /// The ScalePolicy
    #[arg(value_name = "POLICY")]
    policy: String,
    /// Put this number in the place of every decision
    #[arg(long, value_name = "N", requires = "end", allow_negative_numbers = true, value_parser = clap::value_parser!(i32).range(0..))]
    replicas: Option<i32>,
    /// For this long from now, such as 2h
    #[arg(long = "for", value_name = "DURATION", value_parser = super::simulate::length, requires = "replicas")]
    length: Option<Duration>,
    /// Until then: an instant (RFC 3339), or a local date and time such as 2026-11-22T18:00 in the
    /// schedule's zone
    #[arg(long, value_name = "TIME", requires = "replicas")]
    until: Option<String>,
    /// Go over maxReplicas
    #[arg(long, requires = "replicas")]
    force: bool,
    /// End the override that is in force
    #[arg(long)]
    clear: bool,
    #[command(flatten)]
    cluster: Place,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    let args = &Args { policy: policy_name(&args.policy)?.to_owned(), ..args.clone() };
    let text = runtime()?.block_on(async {
        let cluster = Cluster::connect(&args.cluster).await?;
        let found = cluster.policies().get(&args.policy).await;
        let policy = found.map_err(|error| cluster.failed(&args.policy, error))?;
        match args.replicas {
            None => clear(args, &cluster, &policy).await,
            Some(replicas) => set(args, replicas, &cluster, &policy).await,
        }
    })?;
    out.write_all(text.as_bytes())?;
    Ok(())
}

async fn clear(args: &Args, cluster: &Cluster, policy: &ScalePolicy) -> Result<String, Failure> {
    let name = format!("{}/{}", cluster.namespace, args.policy);
    let Some(text) = policy.annotations().get(OVERRIDE_ANNOTATION) else {
        return Ok(format!("{name} has no override: nothing to clear\n"));
    };
    annotate(args, cluster, Value::Null).await?;
    let known = parse_override(text).map_or_else(|_| text.clone(), |known| known.replicas.to_string());
    Ok(format!("{name}: the override ({known}) is cleared, and schedule and load decide again\n"))
}

async fn set(args: &Args, replicas: i32, cluster: &Cluster, policy: &ScalePolicy) -> Result<String, Failure> {
    let zone_name = policy.spec.schedule.as_ref().map_or("UTC", |schedule| schedule.time_zone.as_str());
    let zone = zones::current().get(zone_name).unwrap_or(TimeZone::UTC);
    let now = cluster.now().await;
    let until = end(args, &zone, now)?;
    let force = if args.force { " force" } else { "" };
    let text = format!("{replicas} until {until}{force}");
    let overriding = parse_override(&text).map_err(|error| Failure::BadInput(error.to_string()))?;
    annotate(args, cluster, text.into()).await?;
    let max = policy.spec.max_replicas;
    if replicas > max && !args.force {
        check::warn([format!(
            "{replicas} is over maxReplicas, which is {max}, and counts as {max}; --force goes over it"
        )]);
    }
    Ok(in_force(args, cluster, policy, overriding, (now, &zone)))
}

/// When the override ends.
fn end(args: &Args, zone: &TimeZone, now: Timestamp) -> Result<Timestamp, Failure> {
    let until = match (&args.until, args.length) {
        (Some(text), _) => time::instant(text, zone).ok_or_else(|| {
            let right = "an instant (2026-11-22T18:00:00Z) or a local date and time (2026-11-22T18:00)";
            Failure::BadInput(format!("--until: {text:?} is not {right}"))
        })?,
        (None, length) => {
            let length = SignedDuration::try_from(length.unwrap_or_default()).unwrap_or(SignedDuration::MAX);
            now.checked_add(length).map_err(|_| Failure::BadInput("--for: that is too long".to_owned()))?
        }
    };
    if until <= now {
        return Err(Failure::BadInput(format!("--until: {until} is over, it is {now}")));
    }
    Ok(until)
}

/// What is in force now, for people.
fn in_force(
    args: &Args,
    cluster: &Cluster,
    policy: &ScalePolicy,
    overriding: Override,
    (now, zone): (Timestamp, &TimeZone),
) -> String {
    let max = policy.spec.max_replicas;
    let replicas = overriding.replicas.get();
    let (counts, bound) = if overriding.force {
        (replicas, format!("none: maxReplicas ({max}) does not count"))
    } else {
        (replicas.min(max), format!("maxReplicas ({max})"))
    };
    let both = |at: Timestamp| {
        let local = at.to_zoned(zone.clone()).strftime("%a %Y-%m-%d %H:%M:%S%:z").to_string();
        format!("{local}  ({at})")
    };
    let (from, until) = (both(now), both(overriding.until));
    let name = format!("{}/{}", cluster.namespace, args.policy);
    let note = match policy.spec.mode {
        Mode::Active => "",
        Mode::DryRun => "  note   the mode is DryRun: this is reported and not written\n",
        Mode::Paused => "  note   the mode is Paused: nothing is written until that ends\n",
    };
    format!(
        "{name}: {counts} replicas, whatever schedule and load say\n  from   {from}\n  until  {until}\n  bound  {bound}\n{note}"
    )
}

/// Writes the annotation; null removes it.
async fn annotate(args: &Args, cluster: &Cluster, value: Value) -> Result<(), Failure> {
    let patch = json!({"metadata": {"annotations": {OVERRIDE_ANNOTATION: value}}});
    let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
    let patched = cluster.policies().patch(&args.policy, &params, &Patch::Merge(patch)).await;
    patched.map(drop).map_err(|error| cluster.failed(&args.policy, error))
}
