//! The types of expressions, and what a schema says of them.

use serde_json::Value;

/// The type of an expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Type<'a> {
    /// Anything.
    Dyn,
    Bool,
    Int,
    Uint,
    Double,
    Text,
    List(Box<Type<'a>>),
    Map(Box<Type<'a>>),
    /// A part of the object, with its schema.
    Object(&'a Value),
}

impl Type<'_> {
    pub(super) fn is_scalar(&self) -> bool {
        matches!(self, Self::Bool | Self::Text) || self.is_number()
    }

    pub(super) fn is_number(&self) -> bool {
        matches!(self, Self::Int | Self::Uint | Self::Double)
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Dyn => "dyn",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Uint => "uint",
            Self::Double => "double",
            Self::Text => "string",
            Self::List(_) => "list",
            Self::Map(_) => "map",
            Self::Object(_) => "object",
        }
    }
}

/// The type of what a schema describes.
pub(super) fn of(schema: &Value) -> Type<'_> {
    if schema["x-kubernetes-int-or-string"] == true {
        return Type::Dyn;
    }
    match schema["type"].as_str() {
        Some("boolean") => Type::Bool,
        Some("integer") => Type::Int,
        Some("number") => Type::Double,
        Some("string")
            if matches!(schema["format"].as_str(), Some("date" | "date-time" | "duration" | "byte")) =>
        {
            Type::Dyn
        }
        Some("string") => Type::Text,
        Some("array") => Type::List(Box::new(of(&schema["items"]))),
        Some("object") if schema["additionalProperties"].is_object() => {
            Type::Map(Box::new(of(&schema["additionalProperties"])))
        }
        Some("object") => Type::Object(schema),
        Some(_) | None => Type::Dyn,
    }
}

/// Whether rules can see a field.
pub(super) fn declared(schema: &Value) -> bool {
    schema["type"].is_string() || schema["x-kubernetes-int-or-string"] == true
}

pub(super) fn common<'a>(types: &[Type<'a>]) -> Type<'a> {
    match types {
        [first, rest @ ..] if rest.iter().all(|other| other == first) => first.clone(),
        _ => Type::Dyn,
    }
}

/// What a function results in, where that matters to what is around it.
pub(super) fn result_of<'a>(name: &str, on_target: bool) -> Type<'a> {
    match name {
        "startsWith" | "endsWith" | "matches" | "isSorted" | "isURL" | "isQuantity" | "isIP" | "isCIDR"
        | "isGreaterThan" | "isLessThan" | "hasValue" | "bool" => Type::Bool,
        "contains" if on_target => Type::Bool,
        "size" | "int" => Type::Int,
        "uint" => Type::Uint,
        "double" => Type::Double,
        "string" | "lowerAscii" | "upperAscii" | "trim" | "substring" | "charAt" | "join" => Type::Text,
        _ => Type::Dyn,
    }
}
