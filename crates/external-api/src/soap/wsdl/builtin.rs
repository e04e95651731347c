//! The types that XML Schema has.

/// What a built-in type's texts are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Builtin {
    Boolean,
    /// With its least and its largest value.
    Integer(&'static str, Option<i128>, Option<i128>),
    Decimal,
    Float(&'static str),
    /// Text as it is.
    String(&'static str),
    /// Text in which white space means nothing.
    Token(&'static str),
    Base64,
    Hex,
    DateTime,
    Date,
    Time,
    /// Several of another type.
    List(&'static str),
}

impl Builtin {
    /// The type of that name.
    pub(crate) fn named(local: &str) -> Option<Self> {
        let integer = |name, min, max| Some(Self::Integer(name, min, max));
        match local {
            "boolean" => Some(Self::Boolean),
            "decimal" => Some(Self::Decimal),
            "float" => Some(Self::Float("float")),
            "double" => Some(Self::Float("double")),
            "integer" => integer("integer", None, None),
            "nonNegativeInteger" => integer("nonNegativeInteger", Some(0), None),
            "positiveInteger" => integer("positiveInteger", Some(1), None),
            "nonPositiveInteger" => integer("nonPositiveInteger", None, Some(0)),
            "negativeInteger" => integer("negativeInteger", None, Some(-1)),
            "long" => integer("long", Some(i64::MIN.into()), Some(i64::MAX.into())),
            "int" => integer("int", Some(i32::MIN.into()), Some(i32::MAX.into())),
            "short" => integer("short", Some(i16::MIN.into()), Some(i16::MAX.into())),
            "byte" => integer("byte", Some(i8::MIN.into()), Some(i8::MAX.into())),
            "unsignedLong" => integer("unsignedLong", Some(0), Some(u64::MAX.into())),
            "unsignedInt" => integer("unsignedInt", Some(0), Some(u32::MAX.into())),
            "unsignedShort" => integer("unsignedShort", Some(0), Some(u16::MAX.into())),
            "unsignedByte" => integer("unsignedByte", Some(0), Some(u8::MAX.into())),
            "string" => Some(Self::String("string")),
            "normalizedString" => Some(Self::String("normalizedString")),
            "anySimpleType" => Some(Self::String("anySimpleType")),
            "token" => Some(Self::Token("token")),
            "anyURI" => Some(Self::Token("anyURI")),
            "language" => Some(Self::Token("language")),
            "Name" => Some(Self::Token("Name")),
            "NCName" => Some(Self::Token("NCName")),
            "NMTOKEN" => Some(Self::Token("NMTOKEN")),
            "ID" => Some(Self::Token("ID")),
            "IDREF" => Some(Self::Token("IDREF")),
            "ENTITY" => Some(Self::Token("ENTITY")),
            "QName" => Some(Self::Token("QName")),
            "NOTATION" => Some(Self::Token("NOTATION")),
            "duration" => Some(Self::Token("duration")),
            "gYear" => Some(Self::Token("gYear")),
            "gYearMonth" => Some(Self::Token("gYearMonth")),
            "gMonth" => Some(Self::Token("gMonth")),
            "gMonthDay" => Some(Self::Token("gMonthDay")),
            "gDay" => Some(Self::Token("gDay")),
            "NMTOKENS" => Some(Self::List("NMTOKENS")),
            "IDREFS" => Some(Self::List("IDREFS")),
            "ENTITIES" => Some(Self::List("ENTITIES")),
            "base64Binary" => Some(Self::Base64),
            "hexBinary" => Some(Self::Hex),
            "dateTime" => Some(Self::DateTime),
            "date" => Some(Self::Date),
            "time" => Some(Self::Time),
            _ => None,
        }
    }

    /// The name, for messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Decimal => "decimal",
            Self::Base64 => "base64Binary",
            Self::Hex => "hexBinary",
            Self::DateTime => "dateTime",
            Self::Date => "date",
            Self::Time => "time",
            Self::Integer(name, ..)
            | Self::Float(name)
            | Self::String(name)
            | Self::Token(name)
            | Self::List(name) => name,
        }
    }
}
