//! Closed lists of words: enums whose variants have a word for the API and a meaning for people, which is the
//! doc comment. Documentation is generated from them, so none can be missing there.

/// Defines an enum without data, with `ALL`, `as_str` (the variant's own name) and `meaning` (its doc comment, which
/// is one line).
macro_rules! closed_list {
    ($(#[$attribute:meta])* $vis:vis enum $name:ident { $(#[doc = $meaning:literal] $variant:ident,)+ }) => {
        $(#[$attribute])*
        $vis enum $name { $(#[doc = $meaning] $variant,)+ }

        impl $name {
            /// All of them, for documentation and metrics.
            $vis const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The CamelCase word of the API.
            #[must_use]
            $vis const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant)),+ }
            }

            /// What it means, as a sentence.
            #[must_use]
            $vis fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning.trim_ascii()),+ }
            }
        }
    };
}

pub(crate) use closed_list;
