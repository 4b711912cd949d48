//! Which modules and crates a source file names: in `use` declarations, with groups, renamings and globs,
//! and in paths in the middle of the code.
//!
//! The file is read as Rust's tokens, so comments, strings and doc links name nothing. What stands under
//! `#[cfg(test)]` is left out. A name that is reached through a value or a local alias can't be followed;
//! the `use` that made it an alias is seen.

use proc_macro2::{Delimiter, Ident, Spacing, TokenStream, TokenTree};

/// Something that a file names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) line: usize,
    pub(crate) path: Place,
}

/// Where it leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Into this crate, from its root. Empty is the crate as a whole; `*` is everything at that place.
    Own(Vec<String>),
    /// Elsewhere: the first name of a path, which is another crate or something that is in scope.
    Other(String),
}

/// What the file at `file`, below `src`, names.
pub(crate) fn named(file: &str, text: &str) -> Vec<Named> {
    let tokens: TokenStream = text.parse().expect("Rust");
    let module = match file.trim_end_matches(".rs") {
        "lib" | "main" => Vec::new(),
        path => path.split('/').map(str::to_owned).collect(),
    };
    let mut found = Vec::new();
    Reader { module, found: &mut found }.items(tokens);
    found
}

struct Reader<'a> {
    module: Vec<String>,
    found: &'a mut Vec<Named>,
}

impl Reader<'_> {
    fn items(&mut self, tokens: TokenStream) {
        let tokens: Vec<_> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            at = self.step(&tokens, at);
        }
    }

    /// Reads what begins at `at` and says where it ends.
    fn step(&mut self, tokens: &[TokenTree], at: usize) -> usize {
        match &tokens[at] {
            TokenTree::Punct(punct) if punct.as_char() == '#' => after_attribute(tokens, at),
            TokenTree::Group(group) => {
                self.items(group.stream());
                at + 1
            }
            TokenTree::Ident(word) if word == "mod" => {
                let (Some(TokenTree::Ident(name)), Some(TokenTree::Group(body))) =
                    (tokens.get(at + 1), tokens.get(at + 2))
                else {
                    return at + 1;
                };
                let mut module = self.module.clone();
                module.push(name.to_string());
                Reader { module, found: self.found }.items(body.stream());
                at + 3
            }
            // `use<'a>` in a type is no declaration.
            TokenTree::Ident(word) if word == "use" && !is_punct(tokens, at + 1, '<') => {
                let length = (at + 1..tokens.len()).find(|end| is_punct(tokens, *end, ';'));
                let end = length.unwrap_or(tokens.len());
                self.tree(&tokens[at + 1..end], &[]);
                end
            }
            TokenTree::Ident(word) if word == "extern" && is_word(tokens, at + 1, "crate") => {
                if let Some(TokenTree::Ident(name)) = tokens.get(at + 2) {
                    self.found(name, vec![name.to_string()]);
                }
                at + 3
            }
            TokenTree::Ident(word) => {
                let (path, end) = segments(tokens, at);
                // In `<T as Trait>::name` the name is no path of its own.
                let is_continued =
                    is_colons(tokens, at.wrapping_sub(2)) && is_punct(tokens, at.wrapping_sub(3), '>');
                if path.len() > 1 && !is_continued {
                    self.found(word, path);
                }
                end
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => at + 1,
        }
    }

    /// Reads a tree of a `use` declaration that stands below `prefix`.
    fn tree(&mut self, tokens: &[TokenTree], prefix: &[String]) {
        let start = if is_colons(tokens, 0) { 2 } else { 0 };
        let (mut path, end) = segments(tokens, start);
        path.splice(0..0, prefix.iter().cloned());
        // Past the last name there is nothing, `::*`, `::{…}`, `as name`, or at once `*` or `{…}`.
        let rest = if is_colons(tokens, end) { end + 2 } else { end };
        match tokens.get(rest) {
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                let inner: Vec<_> = group.stream().into_iter().collect();
                for tree in inner.split(|token| matches!(token, TokenTree::Punct(p) if p.as_char() == ',')) {
                    if !tree.is_empty() {
                        self.tree(tree, &path);
                    }
                }
            }
            Some(star @ TokenTree::Punct(punct)) if punct.as_char() == '*' => {
                path.push("*".to_owned());
                self.found_at(star, path);
            }
            _ => {
                if let Some(token) = tokens.first() {
                    self.found_at(token, path);
                }
            }
        }
    }

    fn found(&mut self, word: &Ident, path: Vec<String>) {
        self.found_at(&TokenTree::Ident(word.clone()), path);
    }

    fn found_at(&mut self, token: &TokenTree, path: Vec<String>) {
        let line = token.span().start().line;
        if let Some(path) = self.resolve(path) {
            self.found.push(Named { line, path });
        }
    }

    /// From where a path was written to where it leads.
    fn resolve(&self, path: Vec<String>) -> Option<Place> {
        let mut names = path.into_iter().peekable();
        let mut own = match names.peek()?.as_str() {
            "crate" | "tidetable" => Vec::new(),
            "self" | "super" => self.module.clone(),
            _ => return names.next().map(Place::Other),
        };
        if names.peek().is_some_and(|name| name != "super") {
            names.next();
        }
        for name in names {
            match name.as_str() {
                "self" => {}
                "super" => {
                    own.pop();
                }
                _ => own.push(name),
            }
        }
        Some(Place::Own(own))
    }
}

/// The names of the path that begins at `at`, and where it ends.
fn segments(tokens: &[TokenTree], mut at: usize) -> (Vec<String>, usize) {
    let mut names = Vec::new();
    while let Some(TokenTree::Ident(name)) = tokens.get(at) {
        names.push(name.to_string());
        at += 1;
        match tokens.get(at + 2) {
            Some(TokenTree::Ident(_)) if is_colons(tokens, at) => at += 2,
            _ => break,
        }
    }
    (names, at)
}

/// The end of an attribute; after `#[cfg(test)]`, the end of what it is about.
fn after_attribute(tokens: &[TokenTree], at: usize) -> usize {
    let is_test = |at: usize| matches!(tokens.get(at), Some(TokenTree::Group(group)) if group.stream().to_string().replace(' ', "") == "cfg(test)");
    if !is_test(at + 1) {
        // `#![…]` and `#[…]`: what is inside names derives and options.
        return if is_punct(tokens, at + 1, '!') { at + 3 } else { at + 2 };
    }
    let is_end = |token: &TokenTree| match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        TokenTree::Punct(punct) => punct.as_char() == ';',
        TokenTree::Ident(_) | TokenTree::Literal(_) => false,
    };
    let end = tokens.iter().skip(at + 2).position(is_end);
    end.map_or(tokens.len(), |end| at + 2 + end + 1)
}

fn is_punct(tokens: &[TokenTree], at: usize, char: char) -> bool {
    matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == char)
}

fn is_word(tokens: &[TokenTree], at: usize, word: &str) -> bool {
    matches!(tokens.get(at), Some(TokenTree::Ident(ident)) if ident == word)
}

/// Whether `::` begins at `at`.
fn is_colons(tokens: &[TokenTree], at: usize) -> bool {
    let is_joint =
        matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.spacing() == Spacing::Joint);
    is_joint && is_punct(tokens, at, ':') && is_punct(tokens, at.wrapping_add(1), ':')
}

#[test]
fn every_way_to_name_a_module_is_seen() {
    for (file, text, expected) in [
        ("simulation.rs", "use crate::operator::Operator;", "1 operator::Operator"),
        ("simulation.rs", "use tidetable::operator;", "1 operator"),
        (
            "simulation.rs",
            "use crate::{decision::decide, operator::{self, Operator}};",
            "1 decision::decide, 1 operator, 1 operator::Operator",
        ),
        ("simulation.rs", "use {crate::operator, std::fmt};", "1 operator, 1 <std>"),
        ("simulation.rs", "use {crate::{\n    self as root,\n    operator as o,\n}};", "2 , 3 operator"),
        ("simulation.rs", "use crate as root;", "1 "),
        ("simulation.rs", "use crate::*;", "1 *"),
        ("simulation.rs", "use super::operator::*;", "1 operator::*"),
        ("simulation/plant.rs", "use super::super::operator;", "1 operator"),
        (
            "simulation/plant.rs",
            "use super::{super::operator::Operator, Row};",
            "1 operator::Operator, 1 simulation::Row",
        ),
        ("simulation/plant.rs", "use self::super::super::operator;", "1 operator"),
        ("simulation/plant.rs", "use super::{self, Row};", "1 simulation, 1 simulation::Row"),
        (
            "simulation/plant.rs",
            "mod a { mod b { use super::super::super::super::operator; } }",
            "1 operator",
        ),
        ("simulation.rs", "pub(crate) use crate::operator::Operator as O;", "1 operator::Operator"),
        (
            "simulation.rs",
            "fn f() { let o = crate::operator::Operator::new(); }",
            "1 operator::Operator::new",
        ),
        (
            "simulation.rs",
            "fn f(o: Vec<crate::operator::Operator>) -> impl X + use<'_> {}",
            "1 operator::Operator",
        ),
        (
            "simulation/plant.rs",
            "fn f() { <u8 as super::super::operator::Trait>::go::<u8>(1) }",
            "1 operator::Trait",
        ),
        ("simulation.rs", "fn f() { vec![crate::operator::X] }", "1 operator::X"),
        ("simulation.rs", "fn f() { use crate::operator; }", "1 operator"),
        (
            "simulation.rs",
            "use kube::{Api, Client};\nfn f() { ::tokio::spawn(1) }\nextern crate axum;",
            "1 <kube>, 1 <kube>, 2 <tokio>, 3 <axum>",
        ),
        ("simulation.rs", "macro_rules! m { () => { $crate::operator::x() } }", "1 operator::x"),
        // Nothing is named here.
        (
            "simulation.rs",
            "//! [`crate::operator`]\n/// See crate::operator.\n// use crate::operator;\nfn f() {}",
            "",
        ),
        (
            "simulation.rs",
            "const S: &str = \"crate::operator\"; pub(crate) const R: &str = r#\"use crate::cli;\"#;",
            "",
        ),
        ("simulation.rs", "#[cfg(test)]\nmod tests { use crate::operator::X; }", ""),
        ("simulation.rs", "#[cfg(test)]\nuse crate::{operator, cli};", ""),
        ("simulation.rs", "#[cfg(test)]\nmod tests;\nuse crate::operator;", "3 operator"),
    ] {
        let shown = |named: &Named| match &named.path {
            Place::Own(path) => format!("{} {}", named.line, path.join("::")),
            Place::Other(name) => format!("{} <{name}>", named.line),
        };
        let found: Vec<_> = named(file, text).iter().map(shown).collect();
        assert_eq!(found.join(", "), expected, "{file}: {text}");
    }
}
