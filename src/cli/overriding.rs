//! `tidetable override`: a person's number for a while, in the place of every decision.

use std::io::Write;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use super::access::{ClusterArgs, refusal};
use super::{Failure, runtime};
use crate::api::{OVERRIDE_ANNOTATION, ScalePolicy};
use crate::clock::Clock;
use crate::decision::Override;
use crate::policy::{parse_duration, parse_override};
use crate::zones;

/// The field manager of the annotation.
const MANAGER: &str = "tidetable-override";

/// Arguments of `tidetable override`.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("end").args(["for", "until", "clear"]).required(true))]
pub(super) struct Args {
    /// The ScalePolicy whose workload is meant
    #[arg(value_name = "POLICY")]
    policy: String,
    /// The number of replicas
    #[arg(long, value_name = "N", required_unless_present = "clear", value_parser = clap::value_parser!(i32).range(0..=100_000))]
    replicas: Option<i32>,
    /// For how long from now on, such as 2h
    #[arg(long, value_name = "DURATION", requires = "replicas", value_parser = length)]
    r#for: Option<Duration>,
    /// Until an instant (RFC 3339), such as 2026-11-27T18:00:00Z
    #[arg(long, value_name = "TIME", requires = "replicas")]
    until: Option<Timestamp>,
    /// Also over the policy's maxReplicas
    #[arg(long, requires = "replicas")]
    force: bool,
    /// End it now
    #[arg(long, conflicts_with = "replicas")]
    clear: bool,
    #[command(flatten)]
    cluster: ClusterArgs,
}

fn length(text: &str) -> Result<Duration, String> {
    match parse_duration(text) {
        Ok(length) if length.is_zero() => Err("must be more than 0s".to_owned()),
        Ok(length) => Ok(length),
        Err(error) => Err(error.to_string()),
    }
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    let now = Clock::real().now();
    let annotation = args.replicas.map(|replicas| annotation(args, replicas, now)).transpose()?;
    runtime()?.block_on(apply(args, annotation, out))
}

/// The text of the annotation.
fn annotation(args: &Args, replicas: i32, now: Timestamp) -> Result<(String, Override), Failure> {
    let bad = |problem: String| Failure::BadInput(problem);
    let until = match (args.r#for, args.until) {
        (Some(length), _) => {
            SignedDuration::try_from(length).ok().and_then(|length| now.checked_add(length).ok())
        }
        (None, until) => until,
    };
    let until = until.ok_or_else(|| bad("--for: that is beyond the end of time".to_owned()))?;
    if until <= now {
        return Err(bad(format!("--until: {until} is past")));
    }
    // A person thinks in whole seconds; the last one counts.
    let whole =
        Timestamp::from_second(until.as_second() + i64::from(until.subsec_nanosecond() > 0)).unwrap_or(until);
    let text = format!("{replicas} until {whole}{}", if args.force { " force" } else { "" });
    let read = parse_override(&text).map_err(|error| bad(error.to_string()))?;
    Ok((text, read))
}

async fn apply(
    args: &Args,
    annotation: Option<(String, Override)>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let (client, namespace) = args.cluster.client().await?;
    let api = Api::<ScalePolicy>::namespaced(client, &namespace);
    let name = &args.policy;
    let what = format!("ScalePolicy {name} in namespace {namespace}");
    let policy = api.get(name).await.map_err(|error| refusal(&what, error))?;
    let had = policy.annotations().contains_key(OVERRIDE_ANNOTATION);
    let value = annotation.as_ref().map_or(Value::Null, |(text, _)| json!(text));
    let patch = json!({"metadata": {"annotations": {OVERRIDE_ANNOTATION: value}}});
    let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
    if annotation.is_some() || had {
        api.patch_metadata(name, &params, &Patch::Merge(patch))
            .await
            .map_err(|error| refusal(&what, error))?;
    }
    let target = format!("{}/{}", policy.spec.scale_target_ref.kind, policy.spec.scale_target_ref.name);
    match annotation {
        Some((_, pinned)) => {
            let most = policy.spec.max_replicas;
            if pinned.replicas.get() > most && !pinned.force {
                eprintln!("warning: maxReplicas is {most}, and bounds this; --force goes over it");
            }
            let local = local(&policy, pinned.until).map(|local| format!(" ({local})")).unwrap_or_default();
            writeln!(out, "{target} is pinned to {} until {}{local}", pinned.replicas, pinned.until)?;
        }
        None if had => writeln!(out, "{target} is not pinned any more: {name} decides")?,
        None => writeln!(out, "{target} was not pinned")?,
    }
    Ok(())
}

/// The instant on the clocks of the policy's schedule, when that has any of its own.
fn local(policy: &ScalePolicy, at: Timestamp) -> Option<String> {
    let name = &policy.spec.schedule.as_ref()?.time_zone;
    let zone = zones::current().get(name).ok().filter(|zone| *zone != TimeZone::UTC)?;
    Some(format!("{} in {name}", at.to_zoned(zone).strftime("%a %H:%M:%S")))
}
