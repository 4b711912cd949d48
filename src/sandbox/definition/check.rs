//! Whether a rule in CEL fits the schema that it stands at: fields and functions that there are, operands of one type,
//! and a result of the right one (cel-go, `checker/checker.go`). What the types can't tell is taken to be fine.

mod types;

use kube::core::cel::cel::IdedExpr;
use kube::core::cel::cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue, SelectExpr,
};
use serde_json::Value;

use self::types::{Type, common, declared, of, result_of};
use super::cost::unescaped;

/// What a rule has to result in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Result {
    /// Yes or no.
    Bool,
    /// A text.
    Text,
}

/// What is wrong with a rule, in cel-go's words. `optional` tells whether `oldSelf` may be absent.
pub(super) fn problems(
    source: &str,
    expression: &IdedExpr,
    schema: &Value,
    optional: bool,
    wanted: Result,
) -> Option<String> {
    let mut checker = Checker { source, schema, optional, locals: Vec::new(), found: Vec::new() };
    let result = checker.visit(expression);
    if !checker.found.is_empty() {
        return Some(format!("compilation failed: {}", checker.found.join("\n")));
    }
    match (wanted, result) {
        (_, Type::Dyn) | (Result::Bool, Type::Bool) | (Result::Text, Type::Text) => None,
        (Result::Bool, _) => Some("cel expression must evaluate to a bool".to_owned()),
        (Result::Text, _) => Some("messageExpression must evaluate to a string".to_owned()),
    }
}

struct Checker<'a> {
    source: &'a str,
    schema: &'a Value,
    optional: bool,
    locals: Vec<(String, Type<'a>)>,
    found: Vec<String>,
}

impl<'a> Checker<'a> {
    fn visit(&mut self, expression: &IdedExpr) -> Type<'a> {
        match &expression.expr {
            Expr::Literal(literal) => match literal {
                LiteralValue::Boolean(_) => Type::Bool,
                LiteralValue::Int(_) => Type::Int,
                LiteralValue::UInt(_) => Type::Uint,
                LiteralValue::Double(_) => Type::Double,
                LiteralValue::String(_) => Type::Text,
                LiteralValue::Bytes(_) | LiteralValue::Null => Type::Dyn,
            },
            Expr::Ident(name) => self.ident(name),
            Expr::Select(select) => self.select(select),
            Expr::Call(call) => self.call(call),
            Expr::List(list) => {
                let types: Vec<Type<'a>> = list.elements.iter().map(|item| self.visit(item)).collect();
                Type::List(Box::new(common(&types)))
            }
            Expr::Map(map) => {
                let mut types = Vec::new();
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        self.visit(&entry.key);
                        types.push(self.visit(&entry.value));
                    }
                }
                Type::Map(Box::new(common(&types)))
            }
            Expr::Comprehension(loops) => self.comprehension(loops),
            Expr::Struct(_) | Expr::Unspecified => Type::Dyn,
        }
    }

    fn ident(&mut self, name: &str) -> Type<'a> {
        if let Some((_, found)) = self.locals.iter().rev().find(|(local, _)| local == name) {
            return found.clone();
        }
        match name {
            "oldSelf" if self.optional => Type::Dyn,
            "self" | "oldSelf" => of(self.schema),
            // Names of types are values.
            "bool" | "int" | "uint" | "double" | "string" | "bytes" | "list" | "map" | "null_type"
            | "type" | "timestamp" | "duration" | "optional" | "optional_type" | "cel" | "math"
            | "strings" | "base64" | "sets" | "format" | "google" | "net" | "kubernetes" => Type::Dyn,
            _ if name.starts_with('@') || name.starts_with("__") => Type::Dyn,
            _ => {
                let at = place(self.source, |rest| is_word(rest, name));
                self.complain(at, &format!("undeclared reference to '{name}' (in container '')"));
                Type::Dyn
            }
        }
    }

    fn select(&mut self, select: &SelectExpr) -> Type<'a> {
        let operand = self.visit(&select.operand);
        let field = &select.field;
        let found = match operand {
            Type::Object(schema) => {
                let inner = &schema["properties"][unescaped(field)];
                if declared(inner) { Some(of(inner)) } else { None }
            }
            Type::Map(inner) => Some(*inner),
            Type::Dyn => Some(Type::Dyn),
            Type::Bool | Type::Int | Type::Uint | Type::Double | Type::Text | Type::List(_) => {
                let at = place(self.source, |rest| is_field(rest, field));
                let name = operand.name();
                self.complain(at, &format!("type '{name}' does not support field selection"));
                return Type::Dyn;
            }
        };
        if found.is_none() {
            let at = place(self.source, |rest| is_field(rest, field));
            self.complain(at, &format!("undefined field '{field}'"));
        }
        if select.test { Type::Bool } else { found.unwrap_or(Type::Dyn) }
    }

    fn call(&mut self, call: &CallExpr) -> Type<'a> {
        let name = call.func_name.as_str();
        let target = call.target.as_ref().map(|target| self.visit(target));
        let types: Vec<Type<'a>> = call.args.iter().map(|argument| self.visit(argument)).collect();
        match (name, types.as_slice()) {
            ("_&&_" | "_||_", [one, other]) => {
                self.operands(name, one, other, |kind| *kind == Type::Bool);
                Type::Bool
            }
            ("!_" | "@in" | "@not_strictly_false", _) => Type::Bool,
            ("_==_" | "_!=_", [one, other]) => {
                let scalar = |kind: &Type<'_>| kind.is_scalar();
                if scalar(one) && scalar(other) && one != other {
                    self.no_overload(name, &[one, other]);
                }
                Type::Bool
            }
            ("_<_" | "_<=_" | "_>_" | "_>=_", [one, other]) => {
                if !(one.is_number() && other.is_number()) {
                    self.operands(name, one, other, Type::is_scalar);
                }
                Type::Bool
            }
            ("_+_" | "_-_" | "_*_" | "_/_" | "_%_", [one, other]) => {
                self.operands(name, one, other, Type::is_scalar);
                if one == other && one.is_scalar() { one.clone() } else { Type::Dyn }
            }
            ("-_", [one]) => one.clone(),
            ("_?_:_", [_, yes, no]) => common(&[yes.clone(), no.clone()]),
            ("_[_]", [held, _]) => match held {
                Type::List(inner) | Type::Map(inner) => (**inner).clone(),
                Type::Dyn
                | Type::Object(_)
                | Type::Bool
                | Type::Int
                | Type::Uint
                | Type::Double
                | Type::Text => Type::Dyn,
            },
            _ if name.starts_with('_') || name.starts_with('@') => Type::Dyn,
            _ if !FUNCTIONS.split(' ').any(|known| known == name) => {
                let at = place(self.source, |rest| is_word(rest, name));
                let open = self.source.get(at..).and_then(|rest| rest.find('(')).unwrap_or_default();
                self.complain(at + open, &format!("undeclared reference to '{name}' (in container '')"));
                Type::Dyn
            }
            _ => result_of(name, target.is_some()),
        }
    }

    fn operands(&mut self, name: &str, one: &Type<'a>, other: &Type<'a>, fits: impl Fn(&Type<'a>) -> bool) {
        let known = |kind: &Type<'a>| *kind != Type::Dyn;
        let odd = |kind: &Type<'a>| kind.is_scalar() && !fits(kind);
        if odd(one)
            || odd(other)
            || (known(one) && known(other) && one.is_scalar() && other.is_scalar() && one != other)
        {
            self.no_overload(name, &[one, other]);
        }
    }

    fn no_overload(&mut self, name: &str, types: &[&Type<'a>]) {
        let operator = name.trim_matches('_');
        let at = place(self.source, |rest| rest.starts_with(operator));
        let types: Vec<&str> = types.iter().map(|kind| kind.name()).collect();
        self.complain(
            at,
            &format!("found no matching overload for '{name}' applied to '({})'", types.join(", ")),
        );
    }

    fn comprehension(&mut self, loops: &ComprehensionExpr) -> Type<'a> {
        let range = self.visit(&loops.iter_range);
        let item = match range {
            Type::List(inner) => *inner,
            Type::Map(_) | Type::Object(_) => Type::Text,
            Type::Dyn | Type::Bool | Type::Int | Type::Uint | Type::Double | Type::Text => Type::Dyn,
        };
        let start = self.visit(&loops.accu_init);
        let start = match start {
            // It grows by what the loop puts into it.
            Type::List(_) => Type::List(Box::new(Type::Dyn)),
            other => other,
        };
        let depth = self.locals.len();
        self.locals.push((loops.accu_var.clone(), start.clone()));
        self.locals.push((loops.iter_var.clone(), item));
        self.locals.extend(loops.iter_var2.clone().map(|name| (name, Type::Dyn)));
        self.visit(&loops.loop_cond);
        let step = self.visit(&loops.loop_step);
        self.locals.truncate(depth + 1);
        let result = self.visit(&loops.result);
        self.locals.truncate(depth);
        if matches!(result, Type::List(_)) && matches!(step, Type::List(_)) { step } else { result }
    }

    /// Reports what is wrong at a byte of the source, as cel-go shows it.
    fn complain(&mut self, at: usize, what: &str) {
        let before = self.source.get(..at).unwrap_or(self.source);
        let line = before.matches('\n').count();
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
        let shown = self.source.lines().nth(line).unwrap_or_default();
        let problem = format!(
            "ERROR: <input>:{}:{}: {what}\n | {shown}\n | {}^",
            line + 1,
            column + 1,
            ".".repeat(column)
        );
        if !self.found.contains(&problem) {
            self.found.push(problem);
        }
    }
}

/// The functions of a real server's environment (apiserver, `pkg/cel/environment`).
const FUNCTIONS: &str = "abs accuVar add all allowed any asApproximateFloat asInteger bind bitAnd bitNot bitOr bitShiftLeft \
    bitShiftRight bitXor block bool byte bytes ceil charAt check cidr compareTo contains containsCIDR containsIP \
    date datetime decode distinct dns1035Label dns1035LabelPrefix dns1123Label dns1123LabelPrefix dns1123Subdomain \
    dns1123SubdomainPrefix double duration dyn encode endsWith equivalent error errored exists exists_one \
    existsOne family fieldSelector filter find findAll first flatten floor format get getDate getDayOfMonth \
    getDayOfWeek getDayOfYear getEscapedPath getFullYear getHost getHostname getHours getMilliseconds getMinutes \
    getMonth getPort getQuery getScheme getSeconds greatest group has hasValue index indexOf int intersects ip is \
    isCanonical isCIDR isFinite isGlobalUnicast isGreaterThan isInf isInteger isIP isLessThan isLinkLocalMulticast \
    isLinkLocalUnicast isLoopback isMultiCast isNaN isQuantity isSemver isSorted isUnspecified isURL iterVar join \
    labelSelector labelValue last lastIndexOf least list lists lowerAscii major map masked matches max min minor \
    name named namespace none of ofNonZeroValue optFlatMap optMap or orValue patch path prefixLength qualifiedName \
    quantity quote range reason replace resource reverse round semver serviceAccount sets sign size slice sort \
    sortBy split sqrt startsWith string sub subresource substring sum timestamp transformList transformMap \
    transformMapEntry trim trunc type uint unwrap unwrapOpt upperAscii uri url uuid validate value";

/// The first byte of the source, outside of texts, at which something is found; 0 when it isn't.
fn place(source: &str, found: impl Fn(&str) -> bool) -> usize {
    let mut quote = None;
    let mut previous = ' ';
    for (index, letter) in source.char_indices() {
        if let Some(open) = quote {
            if letter == open && previous != '\\' {
                quote = None;
            }
        } else if matches!(letter, '"' | '\'') {
            quote = Some(letter);
        } else if !(previous.is_alphanumeric() && letter.is_alphanumeric()) && found(&source[index..]) {
            return index;
        }
        previous = letter;
    }
    0
}

fn is_word(rest: &str, word: &str) -> bool {
    let after = rest.strip_prefix(word).map(|rest| rest.chars().next());
    after.is_some_and(|next| next.is_none_or(|next| !(next.is_alphanumeric() || next == '_')))
}

fn is_field(rest: &str, field: &str) -> bool {
    rest.strip_prefix('.').is_some_and(|rest| is_word(rest.trim_start(), field))
}

#[cfg(test)]
mod tests {
    use kube::core::cel::cel::Program;
    use serde_json::json;

    use super::*;

    #[test]
    fn rules_that_do_not_fit_their_schema_are_told_as_cel_go_tells_them() {
        let schema = json!({"type": "object", "properties": {
            "n": {"type": "integer"}, "text": {"type": "string"}, "free": {"x-kubernetes-preserve-unknown-fields": true},
            "either": {"x-kubernetes-int-or-string": true},
            "namespace": {"type": "string"},
            "items": {"type": "array", "items": {"type": "object", "properties": {"a": {"type": "string"}}}},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}}}});
        let failed = |column: usize, what: &str, rule: &str| {
            let dots = ".".repeat(column - 1);
            format!("compilation failed: ERROR: <input>:1:{column}: {what}\n | {rule}\n | {dots}^")
        };
        for (rule, wanted) in [
            ("self.n > 1 && self.text != ''", None),
            ("self.n > 1.5", None),
            ("self.items.all(i, i.a.startsWith('x') && size(i.a) < 3)", None),
            ("self.items.map(i, i.a).exists(a, a == self.text)", None),
            ("self.labels.all(k, self.labels[k] != k)", None),
            ("has(self.n) ? self.n > oldSelf.n : true", None),
            ("self.either == 'x' || self.either == 1", None),
            ("self.__namespace__ != 'x'", None),
            ("self.m > 1", Some(failed(5, "undefined field 'm'", "self.m > 1"))),
            ("self.free.x > 1", Some(failed(5, "undefined field 'free'", "self.free.x > 1"))),
            (
                "self.items.all(i, i.b != '')",
                Some(failed(20, "undefined field 'b'", "self.items.all(i, i.b != '')")),
            ),
            ("this.n > 1", Some(failed(1, "undeclared reference to 'this' (in container '')", "this.n > 1"))),
            (
                "grow(self.n) > 1",
                Some(failed(5, "undeclared reference to 'grow' (in container '')", "grow(self.n) > 1")),
            ),
            (
                "self.n == 'x'",
                Some(failed(
                    8,
                    "found no matching overload for '_==_' applied to '(int, string)'",
                    "self.n == 'x'",
                )),
            ),
            (
                "self.n + self.text == 1",
                Some(failed(
                    8,
                    "found no matching overload for '_+_' applied to '(int, string)'",
                    "self.n + self.text == 1",
                )),
            ),
            (
                "self.text.size > 1",
                Some(failed(10, "type 'string' does not support field selection", "self.text.size > 1")),
            ),
            ("self.n", Some("cel expression must evaluate to a bool".to_owned())),
        ] {
            let program = Program::compile(rule).expect(rule);
            assert_eq!(problems(rule, program.expression(), &schema, false, Result::Bool), wanted, "{rule}");
        }
        let program = Program::compile("self.n").expect("a rule");
        let found = problems("self.n", program.expression(), &schema, false, Result::Text);
        assert_eq!(found.as_deref(), Some("messageExpression must evaluate to a string"));
    }
}
