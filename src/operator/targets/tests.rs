use kube::core::GroupVersionKind;
use kube::runtime::watcher::Event::{self, Apply, Delete, Init, InitApply, InitDone};
use serde_json::json;
use tokio::sync::mpsc::error::TryRecvError;

use super::*;

type Object = Workload<IgnoredAny>;

fn object(name: &str, version: &str) -> Object {
    let meta = json!({"metadata": {"namespace": "shop", "name": name, "resourceVersion": version}});
    serde_json::from_value(meta).expect("metadata")
}

fn key(name: &str) -> Key {
    Key::new("shop", name)
}

fn version(version: &str) -> Standing {
    Standing::Version(version.to_owned())
}

/// Workloads of one kind, of which policies name some.
struct Watch {
    targets: Targets,
    resource: ApiResource,
    wanted: Wanted,
    claimed: Vec<String>,
}

impl Watch {
    fn of(claimed: &[&str]) -> Self {
        let (targets, wanted) = Targets::new(None);
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("apps", "v1", "Deployment"));
        let mut watch = Self { targets, resource, wanted, claimed: Vec::new() };
        watch.claim(claimed);
        watch
    }

    fn claim(&mut self, names: &[&str]) {
        self.claimed.extend(names.iter().map(ToString::to_string));
    }

    fn standing(&self, name: &str) -> Standing {
        self.targets.standing(&self.resource, "shop", name)
    }

    fn is_claimed(&self) -> impl Fn(&Key) -> bool {
        |key| self.claimed.iter().any(|name| name == key.name())
    }

    fn take(&self, event: Event<Object>) -> Vec<Key> {
        self.targets.take(&self.resource, event, self.is_claimed())
    }

    fn list(&self, objects: &[(&str, &str)]) -> Vec<Key> {
        self.take(Init);
        for (name, version) in objects {
            self.take(InitApply(object(name, version)));
        }
        self.take(InitDone)
    }

    fn note(&self, name: &str, version: Option<&str>) {
        let version = version.map(str::to_owned);
        self.targets.note(&self.resource, &key(name), version, self.is_claimed());
    }

    fn kept(&self) -> usize {
        self.targets.kinds().get(&api_kind(&self.resource)).map_or(0, |kind| kind.objects.len())
    }
}

#[test]
fn a_workload_is_unknown_until_its_kind_was_listed_and_then_as_its_version_says() {
    let mut watch = Watch::of(&["web", "mail"]);
    assert_eq!([watch.standing("web"), watch.standing("web")], [Standing::Unknown, Standing::Unknown]);
    assert!(matches!(watch.wanted.try_recv(), Ok(Sought::Found(found)) if found.kind == "Deployment"));
    assert!(matches!(watch.wanted.try_recv(), Err(TryRecvError::Empty)), "it is watched once");

    watch.take(Init);
    watch.take(InitApply(object("web", "7")));
    assert_eq!(watch.standing("web"), Standing::Unknown, "the list is not complete");
    assert_eq!(watch.take(InitDone), [key("web")], "it may have been missed before");
    assert_eq!(watch.standing("web"), version("7"));
    assert_eq!(watch.take(Apply(object("web", "8"))), []);
    assert_eq!(watch.take(Apply(object("mail", "9"))), [key("mail")]);
    assert_eq!([watch.standing("web"), watch.standing("mail")], [version("8"), version("9")]);
    watch.take(Delete(object("web", "10")));
    assert_eq!(watch.standing("web"), Standing::Absent);

    watch.take(Init);
    watch.take(InitApply(object("web", "11")));
    assert_eq!(watch.standing("mail"), version("9"), "until the new list is complete");
    assert_eq!(watch.take(InitDone), [key("web")]);
    assert_eq!([watch.standing("web"), watch.standing("mail")], [version("11"), Standing::Unknown]);
    watch.targets.doubt(&("apps/v1".to_owned(), "Deployment".to_owned()));
    assert_eq!([watch.standing("web"), watch.standing("mail")], [Standing::Unknown, Standing::Unknown]);
    assert_eq!(watch.list(&[("web", "12")]), [], "it was there before");
    assert_eq!(watch.standing("web"), version("12"));
}

#[test]
fn what_no_policy_names_is_not_kept_and_who_names_it_later_reads_it_once() {
    let mut watch = Watch::of(&["web"]);
    watch.standing("web");
    assert_eq!(watch.list(&[("web", "1"), ("mail", "2"), ("shop", "3")]), [key("web")]);
    assert_eq!(watch.take(Apply(object("mail", "4"))), []);
    assert_eq!((watch.kept(), watch.standing("mail")), (1, Standing::Unknown));

    watch.claim(&["mail", "gone"]);
    assert_eq!([watch.standing("mail"), watch.standing("gone")], [Standing::Unknown, Standing::Unknown]);
    watch.note("mail", Some("4"));
    watch.note("gone", None);
    assert_eq!([watch.standing("mail"), watch.standing("gone")], [version("4"), Standing::Absent]);
    watch.take(Apply(object("mail", "5")));
    watch.note("mail", Some("4"));
    assert_eq!(watch.standing("mail"), version("5"), "what the watch said since counts");
    assert_eq!(watch.take(Apply(object("gone", "6"))), [key("gone")], "it has appeared");
    watch.claim(&["shop"]);
    watch.take(Delete(object("shop", "7")));
    watch.note("shop", Some("3"));
    assert_eq!(watch.standing("shop"), Standing::Absent, "it went while it was read");
}

#[test]
fn what_changes_while_no_policy_names_it_is_read_again() {
    let mut watch = Watch::of(&["web"]);
    watch.standing("web");
    watch.list(&[("web", "1")]);
    watch.claimed.clear();
    watch.claim(&["web"]);
    assert_eq!(watch.standing("web"), version("1"), "nothing has changed");
    watch.claimed.clear();
    watch.take(Apply(object("web", "2")));
    watch.claim(&["web"]);
    assert_eq!(watch.standing("web"), Standing::Unknown);
}

#[test]
fn nothing_is_noted_while_there_is_no_list() {
    let watch = Watch::of(&["web"]);
    watch.standing("web");
    watch.note("web", None);
    assert_eq!(watch.list(&[("web", "1")]), [key("web")]);
    watch.targets.doubt(&("apps/v1".to_owned(), "Deployment".to_owned()));
    watch.note("web", None);
    assert_eq!(watch.list(&[("web", "2")]), []);
    assert_eq!(watch.standing("web"), version("2"));
}

#[test]
fn policies_that_come_and_go_leave_nothing_behind() {
    let mut watch = Watch::of(&[]);
    watch.standing("web");
    watch.list(&[]);
    for index in 0..10_000 {
        let name = format!("web-{index}");
        watch.claimed = vec![name.clone()];
        if index % 2 == 0 {
            watch.take(Apply(object(&name, "1")));
        } else {
            watch.note(&name, Some("1"));
        }
        assert!(watch.kept() <= 65, "{}", watch.kept());
        assert_eq!(watch.standing(&name), version("1"));
    }
}

#[test]
fn of_an_object_whose_status_moves_it_is_told_since_which_version_its_spec_is_as_it_is() {
    let watch = Watch::of(&["web"]);
    let object = |version: &str, uid: &str, generation: Option<i64>| -> Object {
        let meta = json!({"namespace": "shop", "name": "web", "uid": uid, "resourceVersion": version, "generation": generation});
        serde_json::from_value(json!({"metadata": meta})).expect("metadata")
    };
    let since = |told: Option<Told>| match told {
        Some(Told::Outline(outline)) => outline.since,
        Some(Told::Whole(_)) | None => None,
    };
    watch.list(&[]);
    let listed = [("4", "u", Some(1)), ("5", "u", Some(2)), ("6", "u", Some(2)), ("7", "u", Some(2))];
    for (events, expected) in [
        (&listed[..1], "4"),
        (&listed[..], "5"),
        (&[("8", "u", Some(2))], "8"),
        (&[("8", "u", None), ("9", "u", None)], "9"),
        (&[("8", "u", Some(2)), ("9", "v", Some(2))], "9"),
        (&[("8", "u", Some(2)), ("9", "u", Some(3)), ("10", "u", Some(3))], "9"),
    ] {
        for (version, uid, generation) in events {
            watch.take(Apply(object(version, uid, *generation)));
        }
        let told = watch.targets.tell(&watch.resource, "shop", "web", || false);
        assert_eq!(since(told).as_deref(), Some(expected), "{events:?}");
    }
}
