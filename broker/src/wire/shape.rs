//! Checks that a request has the structure its version prescribes before anything is allocated for it.
//!
//! The generated decoder reserves memory for as many array elements as the bytes claim; four hostile bytes would ask it for
//! hundreds of gigabytes, and the process would abort. So each request is walked first, by the table in
//! [`super::shapes`]: every length must lie inside the frame, and the number of elements is limited. The walk copies
//! nothing and allocates nothing.

use kafka_protocol::messages::ApiKey;
use thiserror::Error;

use crate::wire::shapes::body_of;

/// Array elements and tagged fields that one request may have.
const ELEMENTS_MAX: u32 = 200_000;

/// What a field looks like on the wire.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    /// This many bytes.
    Fixed(usize),
    /// A string, nullable or not: its length, then its bytes.
    Text,
    /// Bytes, nullable or not: their length, then they.
    Bytes,
    /// An array of fields without a structure of their own.
    List(&'static Shape),
    /// An array of structures.
    Array(Struct),
    /// A structure that may be missing: one byte says so.
    Optional(Struct),
}

/// A field and the versions that have it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    pub(crate) from: i16,
    pub(crate) to: i16,
    pub(crate) shape: Shape,
}

/// A structure: its fields, and the sizes that known tagged fields must have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Struct {
    pub(crate) fields: &'static [Field],
    /// Tag and size in bytes; other tags may have any size.
    pub(crate) tags: &'static [(u32, u32)],
}

/// A request that isn't one.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum Malformed {
    #[error("it ends inside a field")]
    Short,
    #[error("a length is negative or too long")]
    Length,
    #[error("{0} bytes follow its last field")]
    Trailing(usize),
    #[error("it has more than {ELEMENTS_MAX} array elements")]
    Elements,
    #[error("API {0} is not served here")]
    UnknownApi(i16),
    #[error("version {version} of {api:?} is not served here")]
    UnknownVersion { api: ApiKey, version: i16 },
    #[error("it can't be decoded: {0}")]
    Undecodable(String),
}

/// Checks the header at the start of `request` and the body behind it.
pub(crate) fn check(api: ApiKey, version: i16, request: &[u8]) -> Result<(), Malformed> {
    let header_version = api.request_header_version(version);
    let mut walk = Walk { rest: request, version, flexible: false, elements: 0 };
    walk.skip(8)?; // key, version, correlation id
    walk.field(Shape::Text)?; // client id: never compact
    walk.flexible = header_version >= 2;
    walk.tags(&[])?;
    walk.structure(body_of(api).ok_or(Malformed::UnknownApi(api as i16))?)?;
    if walk.rest.is_empty() { Ok(()) } else { Err(Malformed::Trailing(walk.rest.len())) }
}

struct Walk<'a> {
    rest: &'a [u8],
    version: i16,
    flexible: bool,
    elements: u32,
}

impl Walk<'_> {
    fn structure(&mut self, structure: Struct) -> Result<(), Malformed> {
        let version = self.version;
        for field in structure.fields.iter().filter(|field| (field.from..=field.to).contains(&version)) {
            self.field(field.shape)?;
        }
        self.tags(structure.tags)
    }

    fn field(&mut self, shape: Shape) -> Result<(), Malformed> {
        match shape {
            Shape::Fixed(bytes) => self.skip(bytes),
            Shape::Text => {
                let length = if self.flexible { self.compact_length()? } else { self.short_length()? };
                self.skip(length)
            }
            Shape::Bytes => {
                let length = self.length()?;
                self.skip(length)
            }
            Shape::List(element) => {
                for _ in 0..self.length()? {
                    self.count()?;
                    self.field(*element)?;
                }
                Ok(())
            }
            Shape::Array(structure) => {
                for _ in 0..self.length()? {
                    self.count()?;
                    self.structure(structure)?;
                }
                Ok(())
            }
            Shape::Optional(structure) => {
                let [present] = self.take::<1>()?;
                match present.cast_signed() {
                    1 => self.structure(structure),
                    -1 => Ok(()),
                    _ => Err(Malformed::Length),
                }
            }
        }
    }

    /// Tagged fields; without the flexible encoding there are none.
    fn tags(&mut self, known: &[(u32, u32)]) -> Result<(), Malformed> {
        if !self.flexible {
            return Ok(());
        }
        for _ in 0..self.varint()? {
            self.count()?;
            let (tag, size) = (self.varint()?, self.varint()?);
            if known.iter().any(|(known_tag, known_size)| *known_tag == tag && *known_size != size) {
                return Err(Malformed::Length);
            }
            self.skip(usize::try_from(size).map_err(|_| Malformed::Length)?)?;
        }
        Ok(())
    }

    fn count(&mut self) -> Result<(), Malformed> {
        self.elements += 1;
        if self.elements > ELEMENTS_MAX { Err(Malformed::Elements) } else { Ok(()) }
    }

    /// The length of bytes or of an array; null counts as empty.
    fn length(&mut self) -> Result<usize, Malformed> {
        if self.flexible {
            return self.compact_length();
        }
        match i32::from_be_bytes(self.take()?) {
            -1 => Ok(0),
            length => usize::try_from(length).map_err(|_| Malformed::Length),
        }
    }

    fn short_length(&mut self) -> Result<usize, Malformed> {
        match i16::from_be_bytes(self.take()?) {
            -1 => Ok(0),
            length => usize::try_from(length).map_err(|_| Malformed::Length),
        }
    }

    /// One more than the length; 0 is null.
    fn compact_length(&mut self) -> Result<usize, Malformed> {
        usize::try_from(self.varint()?.saturating_sub(1)).map_err(|_| Malformed::Length)
    }

    fn varint(&mut self) -> Result<u32, Malformed> {
        let mut value = 0_u32;
        for index in 0..5 {
            let [byte] = self.take::<1>()?;
            value |= u32::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed::Length)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(Malformed::Short)?;
        self.rest = rest;
        Ok(*taken)
    }

    fn skip(&mut self, bytes: usize) -> Result<(), Malformed> {
        self.rest = self.rest.get(bytes..).ok_or(Malformed::Short)?;
        Ok(())
    }
}
