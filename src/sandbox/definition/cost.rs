//! What a rule in CEL may cost, as a real server estimates it before it takes a definition (cel-go,
//! `checker/cost.go`; apiextensions-apiserver, `pkg/apiserver/schema/cel` and `pkg/apis/apiextensions/validation`).
//!
//! A cost is an upper bound: comprehensions count the most items that a list may have, comparisons the longest
//! texts. Where cel-go's type checker knows which operator is meant, this goes by what the schema says, and takes
//! the dearest where it says nothing.

use kube::core::cel::cel::IdedExpr;
use kube::core::cel::cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue};
use serde_json::{Value, json};

use super::super::gotext;
use super::super::json::object_at;

/// What one rule may cost, over all the places that it is evaluated at.
pub(super) const RULE_LIMIT: u64 = 10_000_000;

/// What all rules of a definition may cost.
pub(super) const DEFINITION_LIMIT: u64 = 100_000_000;

/// The largest request, in bytes, from which sizes without a bound are estimated.
const REQUEST: u64 = 3 * 1024 * 1024;

/// Texts and lists are walked ten characters or items a unit.
const TRAVERSAL: u64 = 10;

/// What is known of the value of an expression.
#[derive(Clone, Copy, Debug)]
struct Estimate<'a> {
    cost: u64,
    /// How long the value may be; `None` when nobody can say.
    size: Option<u64>,
    kind: Kind,
    /// The schema of the value, when it is a part of the object.
    place: Option<&'a Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    List,
    Map,
    Scalar,
    Unknown,
}

impl Estimate<'_> {
    fn plain(cost: u64, kind: Kind, size: Option<u64>) -> Self {
        Self { cost, size, kind, place: None }
    }

    fn size(&self) -> u64 {
        self.size.unwrap_or(u64::MAX)
    }
}

/// The cost of evaluating an expression once, where `self` has the given schema.
pub(super) fn of(expression: &IdedExpr, schema: &Value) -> u64 {
    let mut coster = Coster { root: schema, locals: Vec::new() };
    coster.visit(expression).cost
}

/// The schema of a whole object, in which rules see its type and its name too.
pub(super) fn with_metadata(schema: &Value) -> Value {
    let mut whole = schema.clone();
    let text = json!({"type": "string"});
    let properties = object_at(&mut whole, "properties");
    properties.insert("apiVersion".to_owned(), text.clone());
    properties.insert("kind".to_owned(), text.clone());
    let metadata = json!({"type": "object", "properties": {"name": text.clone(), "generateName": text}});
    properties.insert("metadata".to_owned(), metadata);
    whole
}

/// How often the children of a list or map are looked at, given how often it is itself.
pub(super) fn cardinality(parent: u64, schema: &Value) -> u64 {
    let most = size_of(schema).map_or(u64::MAX, |(size, _)| size);
    parent.saturating_mul(most)
}

/// The sentence that refuses a cost over its limit.
pub(super) fn refusal(what: &str, cost: u64, limit: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "it is shown with a few digits")]
    let factor = cost as f64 / limit as f64;
    let factor = if factor > 100.0 {
        "more than 100x".to_owned()
    } else if factor < 1.5 {
        format!("{factor:.6}x")
    } else {
        format!("{factor:.1}x")
    };
    format!(
        "{what} exceeds budget by factor of {factor} (try simplifying the rule, or adding maxItems, maxProperties, \
         and maxLength where arrays, maps, and strings are declared)"
    )
}

/// How long a value of a schema may be, and of which kind it is. Whole numbers and the like have no length.
fn size_of(schema: &Value) -> Option<(u64, Kind)> {
    let bound = |name: &str| schema[name].as_u64();
    if schema["x-kubernetes-int-or-string"] == true {
        let most = bound("maxLength").map_or(REQUEST - 2, |most| most.saturating_mul(4));
        return Some((most, Kind::Unknown));
    }
    match schema["type"].as_str()? {
        "string" => {
            let named = schema["enum"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let longest = named.map(|name| u64::try_from(name.len()).unwrap_or(u64::MAX)).max();
            let by_format = match schema["format"].as_str() {
                Some("duration" | "date-time") => Some(32),
                Some("date") => Some(12),
                _ => None,
            };
            // A character may have four bytes.
            let declared = bound("maxLength").map(|most| most.saturating_mul(4));
            Some((longest.or(declared).or(by_format).unwrap_or(REQUEST - 2), Kind::Text))
        }
        "array" => {
            let most =
                bound("maxItems").unwrap_or_else(|| (REQUEST - 2) / (least_bytes(&schema["items"]) + 1));
            Some((most, Kind::List))
        }
        "object" if schema["additionalProperties"].is_object() => {
            let inner = least_bytes(&schema["additionalProperties"]);
            Some((bound("maxProperties").unwrap_or((REQUEST - 2) / (inner + 6)), Kind::Map))
        }
        _ => None,
    }
}

/// How many bytes a value of a schema has in JSON at least.
fn least_bytes(schema: &Value) -> u64 {
    match schema["type"].as_str() {
        Some("boolean") => 4,
        Some("string" | "array") => 2,
        Some("object") => {
            let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let needed = required.filter(|name| schema["properties"][*name]["default"].is_null());
            let each = needed.map(|name| {
                u64::try_from(name.len()).unwrap_or_default() + least_bytes(&schema["properties"][name]) + 4
            });
            2 + each.sum::<u64>()
        }
        _ => 1,
    }
}

struct Coster<'a> {
    root: &'a Value,
    locals: Vec<(String, Estimate<'a>)>,
}

impl<'a> Coster<'a> {
    fn visit(&mut self, expression: &IdedExpr) -> Estimate<'a> {
        match &expression.expr {
            Expr::Literal(literal) => literal_estimate(literal),
            Expr::Ident(name) => {
                let local = self.locals.iter().rev().find(|(local, _)| local == name);
                match local {
                    Some((_, found)) => Estimate { cost: 1, ..*found },
                    None if matches!(name.as_str(), "self" | "oldSelf") => Self::at(1, self.root),
                    None => Estimate::plain(1, Kind::Unknown, None),
                }
            }
            Expr::Select(select) => {
                let operand = self.visit(&select.operand);
                if select.test {
                    return Estimate::plain(operand.cost, Kind::Scalar, Some(1));
                }
                let cost = operand.cost.saturating_add(1);
                let field = unescaped(&select.field);
                match operand.place.map(|place| &place["properties"][field]) {
                    Some(inner) if inner.is_object() => Self::at(cost, inner),
                    _ => Estimate::plain(cost, Kind::Unknown, None),
                }
            }
            Expr::Call(call) => self.call(call),
            Expr::List(list) => {
                let costs = list.elements.iter().map(|element| self.visit(element).cost);
                let cost = costs.fold(10_u64, u64::saturating_add);
                Estimate::plain(
                    cost,
                    Kind::List,
                    Some(u64::try_from(list.elements.len()).unwrap_or(u64::MAX)),
                )
            }
            Expr::Map(map) => {
                let mut cost = 30_u64;
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        let (key, value) = (self.visit(&entry.key).cost, self.visit(&entry.value).cost);
                        cost = cost.saturating_add(key).saturating_add(value);
                    }
                }
                Estimate::plain(cost, Kind::Map, Some(u64::try_from(map.entries.len()).unwrap_or(u64::MAX)))
            }
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
            Expr::Struct(_) | Expr::Unspecified => Estimate::plain(40, Kind::Unknown, None),
        }
    }

    fn at(cost: u64, place: &'a Value) -> Estimate<'a> {
        let (size, kind) = match size_of(place) {
            Some((size, kind)) => (Some(size), kind),
            None if place["type"] == "object" => (None, Kind::Unknown),
            None => (Some(1), Kind::Scalar),
        };
        Estimate { cost, size, kind, place: Some(place) }
    }

    fn comprehension(&mut self, loops: &ComprehensionExpr) -> Estimate<'a> {
        let range = self.visit(&loops.iter_range);
        let start = self.visit(&loops.accu_init);
        let item = match (range.kind, range.place) {
            (Kind::List, Some(place)) => Self::at(0, &place["items"]),
            (Kind::Map, _) => Estimate::plain(0, Kind::Text, Some(REQUEST - 2)),
            _ => Estimate::plain(0, Kind::Unknown, Some(range.size()).filter(|_| range.kind == Kind::Text)),
        };
        self.locals.push((loops.accu_var.clone(), start));
        self.locals.push((loops.iter_var.clone(), item));
        let each = self.visit(&loops.loop_cond).cost.saturating_add(self.visit(&loops.loop_step).cost);
        self.locals.pop();
        let end = self.visit(&loops.result).cost;
        self.locals.pop();
        let looped = range.size().saturating_mul(each);
        let cost = [range.cost, start.cost, looped, end].into_iter().fold(0, u64::saturating_add);
        match start.kind {
            Kind::List | Kind::Map => Estimate::plain(cost, start.kind, range.size),
            Kind::Text | Kind::Scalar | Kind::Unknown => Estimate::plain(cost, start.kind, start.size),
        }
    }

    fn call(&mut self, call: &CallExpr) -> Estimate<'a> {
        let target = call.target.as_ref().map(|target| self.visit(target));
        let args: Vec<Estimate<'a>> = call.args.iter().map(|arg| self.visit(arg)).collect();
        let spent = target.iter().chain(&args).map(|part| part.cost).fold(0, u64::saturating_add);
        let size = |index: usize| args.get(index).map_or(u64::MAX, Estimate::size);
        let plus = |more: u64| spent.saturating_add(more);
        let scalar = |more: u64| Estimate::plain(plus(more), Kind::Scalar, Some(1));
        let walked = |length: u64| length.div_ceil(TRAVERSAL);
        match (call.func_name.as_str(), args.as_slice()) {
            ("_&&_" | "_||_", _) => scalar(0),
            ("_?_:_", [condition, yes, no]) => {
                let cost = condition.cost.saturating_add(yes.cost.max(no.cost));
                let longest = yes.size.zip(no.size).map(|(yes, no)| yes.max(no));
                Estimate { cost, size: longest, ..*yes }
            }
            ("_+_", [left, right]) => {
                let length = left.size.zip(right.size).map(|(left, right)| left.saturating_add(right));
                match (left.kind, right.kind) {
                    (Kind::Scalar, _) | (_, Kind::Scalar) => scalar(1),
                    (Kind::List, _) | (_, Kind::List) => Estimate::plain(plus(1), Kind::List, length),
                    _ => Estimate::plain(plus(walked(length.unwrap_or(u64::MAX))), Kind::Text, length),
                }
            }
            ("_==_" | "_!=_", _) => scalar(walked(size(0).min(size(1)))),
            ("_<_" | "_<=_" | "_>_" | "_>=_", [left, right]) => {
                let texts = left.kind == Kind::Text || right.kind == Kind::Text;
                scalar(if texts { walked(size(0).min(size(1))) } else { 1 })
            }
            ("@in", [_, within]) if within.kind == Kind::Map => scalar(1),
            ("@in", _) => scalar(size(1)),
            ("_[_]", [whole, _]) => match (whole.kind, whole.place) {
                (Kind::List, Some(place)) => Self::at(plus(1), &place["items"]),
                (Kind::Map, Some(place)) => Self::at(plus(1), &place["additionalProperties"]),
                _ => Estimate::plain(plus(1), Kind::Unknown, None),
            },
            ("startsWith" | "endsWith", _) => scalar(walked(size(0))),
            ("contains", _) => {
                let whole = target.map_or(u64::MAX, |target| target.size());
                scalar(walked(whole).saturating_mul(walked(size(0))))
            }
            ("matches", _) => {
                let text = target.map_or(u64::MAX, |target| target.size());
                scalar(walked(text.saturating_add(1)).saturating_mul(size(0).div_ceil(4)))
            }
            ("dyn", [inner]) => Estimate { cost: plus(1), ..*inner },
            ("string", [inner]) => {
                let size = inner.size.filter(|_| inner.kind == Kind::Text);
                Estimate::plain(plus(1), Kind::Text, size)
            }
            ("size" | "int" | "uint" | "double" | "bool" | "timestamp" | "duration" | "hasValue", _) => {
                scalar(1)
            }
            (name, _) if target.is_some() || name.chars().all(|c| c.is_ascii_alphabetic()) => {
                let target_size = target.map_or(0, |target| target.size());
                let sizes = args.iter().map(|arg| if arg.kind == Kind::Scalar { 1 } else { arg.size() });
                let total = sizes.fold(target_size, u64::saturating_add);
                let kind = target.map_or(Kind::Unknown, |target| target.kind);
                Estimate::plain(plus(walked(total).max(1)), kind, target.and_then(|target| target.size))
            }
            _ => scalar(1),
        }
    }
}

fn literal_estimate<'a>(literal: &LiteralValue) -> Estimate<'a> {
    match literal {
        LiteralValue::String(text) => {
            let length = u64::try_from(text.inner().chars().count()).unwrap_or(u64::MAX);
            Estimate::plain(0, Kind::Text, Some(length))
        }
        LiteralValue::Bytes(_) => Estimate::plain(0, Kind::Text, None),
        LiteralValue::Boolean(_)
        | LiteralValue::Double(_)
        | LiteralValue::Int(_)
        | LiteralValue::Null
        | LiteralValue::UInt(_) => Estimate::plain(0, Kind::Scalar, Some(1)),
    }
}

/// The field that a name in a rule stands for; CEL escapes reserved words.
pub(super) fn unescaped(name: &str) -> &str {
    let word = name.strip_prefix("__").and_then(|name| name.strip_suffix("__"));
    word.unwrap_or(name)
}

/// A rule as a message about it shows it.
pub(super) fn shown(rule: &Value) -> String {
    let text = |key: &str| gotext::shown(&Value::from(rule[key].as_str().unwrap_or_default()));
    format!(
        "{{\"Rule\":{},\"Message\":{},\"MessageExpression\":{},\"Reason\":{},\"FieldPath\":{},\"OptionalOldSelf\":{}}}",
        text("rule"),
        text("message"),
        text("messageExpression"),
        rule["reason"],
        text("fieldPath"),
        rule["optionalOldSelf"]
    )
}

#[cfg(test)]
mod tests {
    use kube::core::cel::cel::Program;
    use serde_json::json;

    use super::*;

    #[test]
    fn costs_follow_the_bounds_of_the_schema() {
        let list = |bounds: Value| {
            let mut list = json!({"type": "array", "items": {"type": "string", "maxLength": 10}});
            list.as_object_mut().expect("an object").extend(bounds.as_object().expect("an object").clone());
            json!({"type": "object", "properties": {"list": list, "n": {"type": "integer"},
                "text": {"type": "string"}, "short": {"type": "string", "maxLength": 10}}})
        };
        let bounded = list(json!({"maxItems": 5}));
        let open = list(json!({}));
        for (schema, rule, most) in [
            (&bounded, "self.n <= 5", 10),
            (&bounded, "self.short == 'abc'", 10),
            (&bounded, "self.list.all(x, x != 'bad')", 100),
            (&bounded, "self.list.all(x, self.list.all(y, x != y))", 500),
            (&open, "size(self.list) < 5", 10),
        ] {
            let program = Program::compile(rule).expect(rule);
            let cost = of(program.expression(), schema);
            assert!((1..=most).contains(&cost), "{rule}: {cost}");
        }
        for (schema, rule) in [
            (&open, "self.list.all(x, self.list.all(y, x != y))"),
            (&bounded, "'n is ' + string(self.n) != ''"),
            (&bounded, "self.text.contains(self.text)"),
        ] {
            let program = Program::compile(rule).expect(rule);
            let cost = of(program.expression(), schema);
            assert!(cost > RULE_LIMIT, "{rule}: {cost}");
        }
    }

    #[test]
    fn a_refusal_names_the_factor() {
        for (cost, wanted) in [
            (RULE_LIMIT * 101, "factor of more than 100x ("),
            (RULE_LIMIT * 3, "factor of 3.0x ("),
            (RULE_LIMIT + RULE_LIMIT / 10, "factor of 1.100000x ("),
        ] {
            let said = refusal("estimated rule cost", cost, RULE_LIMIT);
            assert!(said.contains(wanted), "{said}");
        }
    }
}
