//! What an evaluation arrived at, and what that says of the workload.

use std::borrow::Cow;

use super::super::Outcome;
use super::super::cluster::CallError;
use super::super::conditions::{self, Finding, Reason};
use super::super::reconcile::Subject;
use super::super::rivals::{Rival, Standing};
use super::super::setting::Setting;
use super::super::timetable::Retry;
use crate::api::ConditionStatus;
use crate::decision::{Decision, Mode};

/// What an evaluation arrived at.
pub(super) struct Settled {
    pub(super) decision: Option<Decision>,
    pub(super) current: Option<Setting>,
    pub(super) outcome: Outcome,
    pub(super) able: Finding,
    /// Whose write the observed replicas are, when it was neither the operator's nor what the policy wants.
    pub(super) foreign: Option<String>,
    /// It failed, and may succeed a moment later.
    pub(super) retry: Option<Retry>,
}

pub(super) fn settled(
    decision: Decision,
    observed: Setting,
    outcome: Outcome,
    subject: &Subject<'_>,
) -> Settled {
    let current = if let Outcome::Scaled { to, .. } = outcome { to } else { observed };
    let able = |message: Cow<'static, str>| Finding::new(ConditionStatus::True, Reason::AsPlanned, message);
    let able = match (&subject.standing, subject.mode) {
        (Standing::First | Standing::Unknown, _) => able("the workload can be read and scaled".into()),
        (Standing::Behind(rival), Mode::Active) => conflict(rival),
        (Standing::Behind(rival), Mode::DryRun | Mode::Paused) => {
            able(format!("{rival} scales the workload, too: mode Active would be a conflict").into())
        }
    };
    Settled { decision: Some(decision), current: Some(current), outcome, able, foreign: None, retry: None }
}

pub(super) fn paused() -> Finding {
    Finding::new(ConditionStatus::True, Reason::Paused, "the mode is Paused")
}

fn conflict(rival: &Rival) -> Finding {
    let message = format!("{rival} scales the workload, too: nothing is written while it is there");
    Finding::new(ConditionStatus::False, Reason::Conflict, message)
}

pub(super) fn contested(decision: Decision, observed: Setting, manager: &str) -> Settled {
    let message =
        format!("{manager} keeps changing the replicas back: they are written every 5 minutes only");
    Settled {
        current: Some(observed),
        decision: Some(decision),
        outcome: Outcome::Contested,
        able: Finding::new(ConditionStatus::False, Reason::Contested, message),
        foreign: None,
        retry: None,
    }
}

pub(super) fn failed(error: &CallError) -> Settled {
    Settled {
        decision: None,
        current: None,
        outcome: Outcome::Failed { category: error.category() },
        able: conditions::call_failed(error),
        foreign: None,
        retry: error.is_passing().then(|| Retry { after: error.retry_after() }),
    }
}
