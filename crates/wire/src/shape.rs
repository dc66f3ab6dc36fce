//! The ways a venue's types are declared: sets of words, fixed words, and objects with optional fields.

#![allow(unused_macros, reason = "used by the venues' modules, which are features")]

/// Declares an enum of a venue's words. The first spelling is written, every spelling is read, and an unknown
/// word becomes `Other`.
macro_rules! words {
    ($($(#[$meta:meta])* $name:ident {
        $($(#[$variant_meta:meta])* $variant:ident = $word:literal $(| $also:literal)*,)+
    })+) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum $name<'a> {
            $($(#[$variant_meta])* $variant,)+
            /// A word that is not known here, as it came.
            Other($crate::Text<'a>),
        }

        impl $name<'_> {
            /// The venue's word.
            pub fn as_str(&self) -> &str {
                match self {
                    $($name::$variant => $word,)+
                    $name::Other(text) => text.as_str(),
                }
            }
        }

        impl<'a> From<$crate::Text<'a>> for $name<'a> {
            fn from(text: $crate::Text<'a>) -> $name<'a> {
                match text.as_str() {
                    $($word $(| $also)* => $name::$variant,)+
                    _ => $name::Other(text),
                }
            }
        }

        impl serde::Serialize for $name<'_> {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de: 'a, 'a> serde::Deserialize<'de> for $name<'a> {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<$name<'a>, D::Error> {
                $crate::Text::deserialize(deserializer).map($name::from)
            }
        }
    )+};
}

/// Declares objects as a venue spells them, in the order it writes their fields.
///
/// `field?: T` is an `Option<T>`: read from a value, from `null` or from nothing, and left out when it is nothing.
/// A number is nothing as `""` too, and a whole number (`u64`, `i64`) may come as its text. Fields are
/// camel case, or snake case under `#![snake_case]`, unless an attribute says otherwise.
macro_rules! shapes {
    (#![snake_case] $($(#[$meta:meta])* $name:ident { $($fields:tt)* })+) => {
        $(shapes! { @fields ["snake_case" $(#[$meta])* $name] [] $($fields)* })+
    };
    ($($(#[$meta:meta])* $name:ident { $($fields:tt)* })+) => {
        $(shapes! { @fields ["camelCase" $(#[$meta])* $name] [] $($fields)* })+
    };
    (@fields $head:tt [$($done:tt)*] $(#[$meta:meta])* $field:ident?: Num<'a>, $($rest:tt)*) => {
        shapes! { @fields $head [$($done)*
            $(#[$meta])*
            #[serde(default, deserialize_with = "crate::Num::optional", skip_serializing_if = "Option::is_none")]
            pub $field: Option<$crate::Num<'a>>,
        ] $($rest)* }
    };
    (@fields $head:tt [$($done:tt)*] $(#[$meta:meta])* $field:ident?: u64, $($rest:tt)*) => {
        shapes! { @fields $head [$($done)*
            $(#[$meta])*
            #[serde(default, deserialize_with = "crate::int::optional", skip_serializing_if = "Option::is_none")]
            pub $field: Option<u64>,
        ] $($rest)* }
    };
    (@fields $head:tt [$($done:tt)*] $(#[$meta:meta])* $field:ident?: i64, $($rest:tt)*) => {
        shapes! { @fields $head [$($done)*
            $(#[$meta])*
            #[serde(default, deserialize_with = "crate::int::optional", skip_serializing_if = "Option::is_none")]
            pub $field: Option<i64>,
        ] $($rest)* }
    };
    (@fields $head:tt [$($done:tt)*] $(#[$meta:meta])* $field:ident: u64, $($rest:tt)*) => {
        shapes! { @fields $head [$($done)*
            $(#[$meta])*
            #[serde(deserialize_with = "crate::int::required")]
            pub $field: u64,
        ] $($rest)* }
    };
    (@fields $head:tt [$($done:tt)*] $(#[$meta:meta])* $field:ident: i64, $($rest:tt)*) => {
        shapes! { @fields $head [$($done)*
            $(#[$meta])*
            #[serde(deserialize_with = "crate::int::required")]
            pub $field: i64,
        ] $($rest)* }
    };
    (@fields $head:tt [$($done:tt)*] $(#[$meta:meta])* $field:ident?: $type:ty, $($rest:tt)*) => {
        shapes! { @fields $head [$($done)*
            $(#[$meta])*
            #[serde(skip_serializing_if = "Option::is_none")]
            pub $field: Option<$type>,
        ] $($rest)* }
    };
    (@fields $head:tt [$($done:tt)*] $(#[$meta:meta])* $field:ident: $type:ty, $($rest:tt)*) => {
        shapes! { @fields $head [$($done)* $(#[$meta])* pub $field: $type,] $($rest)* }
    };
    (@fields [$case:literal $(#[$meta:meta])* $name:ident] [$($fields:tt)*]) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = $case, bound(deserialize = "'de: 'a"))]
        pub struct $name<'a> { $($fields)* }
    };
}

/// Declares types of one value each, which is a word that must stand in the message.
macro_rules! tags {
    ($($(#[$meta:meta])* $name:ident = $word:literal,)+) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name;

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str($word)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                match $crate::Text::deserialize(deserializer)?.as_str() {
                    $word => Ok($name),
                    _ => Err(serde::de::Error::custom(concat!("expected the word `", $word, "`"))),
                }
            }
        }
    )+};
}
