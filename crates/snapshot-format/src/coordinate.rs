//! Network coordinates, as Serf writes them.

use alloc::vec::Vec;

/// The dimensions of Serf's coordinate space.
pub const DIMENSIONS: usize = 8;

/// The longest JSON that is read as a coordinate, in bytes: about ten times what Serf writes, and little enough that
/// hostile nesting costs no memory.
const MAX_JSON: usize = 4096;

/// A place in the network's coordinate space, from which round-trip times are estimated (the Vivaldi algorithm).
///
/// All numbers are finite. The vector and the three terms are in seconds, the error has no unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coordinate {
    vec: [f64; DIMENSIONS],
    error: f64,
    adjustment: f64,
    height: f64,
}

/// Why something is no coordinate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidCoordinate {
    /// Not a JSON object with the members `Vec`, `Error`, `Adjustment` and `Height`, or one beyond 4 KiB.
    #[error("not a JSON object with Vec, Error, Adjustment and Height")]
    Json,
    /// The vector has another number of dimensions.
    #[error("{found} dimensions where Serf has {DIMENSIONS}")]
    Dimensions {
        /// How many it has.
        found: usize,
    },
    /// A number is infinite or not a number.
    #[error("a number is not finite")]
    NotFinite,
}

impl Coordinate {
    /// Accepts finite numbers.
    ///
    /// # Errors
    /// [`InvalidCoordinate::NotFinite`] otherwise.
    pub fn new(
        vec: [f64; DIMENSIONS],
        error: f64,
        adjustment: f64,
        height: f64,
    ) -> Result<Self, InvalidCoordinate> {
        let finite =
            vec.iter().chain([&error, &adjustment, &height]).all(|number| number.is_finite());
        if !finite {
            return Err(InvalidCoordinate::NotFinite);
        }
        Ok(Self { vec, error, adjustment, height })
    }

    /// Reads `{"Vec":[…],"Error":…,"Adjustment":…,"Height":…}`, in any order of the members.
    ///
    /// # Errors
    /// [`InvalidCoordinate`]: what is wrong with it.
    pub fn from_json(json: &[u8]) -> Result<Self, InvalidCoordinate> {
        if json.len() > MAX_JSON {
            return Err(InvalidCoordinate::Json);
        }
        let object: serde_json::Value =
            serde_json::from_slice(json).map_err(|_| InvalidCoordinate::Json)?;
        let number = |value: &serde_json::Value| value.as_f64().ok_or(InvalidCoordinate::Json);
        let member = |name| number(&object[name]);
        let numbers = object["Vec"].as_array().ok_or(InvalidCoordinate::Json)?;
        let numbers = numbers.iter().map(number).collect::<Result<Vec<f64>, _>>()?;
        let vec = <[f64; DIMENSIONS]>::try_from(&numbers[..])
            .map_err(|_| InvalidCoordinate::Dimensions { found: numbers.len() })?;
        Self::new(vec, member("Error")?, member("Adjustment")?, member("Height")?)
    }

    /// Appends the JSON object, its members in the order in which Go writes Serf's structure.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        for (index, number) in self.vec.iter().enumerate() {
            out.extend_from_slice(if index == 0 { b"{\"Vec\":[" } else { b"," });
            json_number(*number, out);
        }
        for (key, number) in [
            ("],\"Error\":", self.error),
            (",\"Adjustment\":", self.adjustment),
            (",\"Height\":", self.height),
        ] {
            out.extend_from_slice(key.as_bytes());
            json_number(number, out);
        }
        out.push(b'}');
    }

    /// The JSON object, as it stands in a file.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut json = Vec::new();
        self.encode(&mut json);
        json
    }

    /// The place, in seconds.
    #[must_use]
    pub const fn vec(&self) -> &[f64; DIMENSIONS] {
        &self.vec
    }

    /// The confidence in the place: 0 is certain, 1.5 is Serf's start.
    #[must_use]
    pub const fn error(&self) -> f64 {
        self.error
    }

    /// The offset learned from past samples, in seconds.
    #[must_use]
    pub const fn adjustment(&self) -> f64 {
        self.adjustment
    }

    /// The delay of the access link, in seconds.
    #[must_use]
    pub const fn height(&self) -> f64 {
        self.height
    }
}

fn json_number(number: f64, out: &mut Vec<u8>) {
    // A finite f64 always has a JSON form.
    if let Ok(text) = serde_json::to_vec(&number) {
        out.extend_from_slice(&text);
    }
}
