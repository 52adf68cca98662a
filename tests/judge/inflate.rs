//! A second reader of compressed messages, written from the RFCs: to be right, not fast.
//!
//! The one idea: it has the whole message, so it needs no state between bytes, and it can say how far back a message refers.
//!
//! Spec: RFC 1951 3.2 (blocks and codes), RFC 7692 7.2.2 (the end that is put back), and what `ws::deflate` allows beyond.

/// What a payload comes to.
#[derive(Debug, PartialEq, Eq)]
pub struct Inflated {
    /// The message.
    pub message: Vec<u8>,
    /// Most bytes back to which it refers.
    pub farthest: usize,
}

const EMPTY_BLOCK_END: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];

/// Most bytes that a message may come to here.
pub const MESSAGE_MAX: usize = 4 << 20;

const LENGTH_BASE: [usize; 29] =
    [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258];
const LENGTH_EXTRA: [u32; 29] = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const DISTANCE_BASE: [usize; 30] = [
    1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145,
    8193, 12289, 16385, 24577,
];
const CODE_LENGTH_ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// Reads a payload whose messages may refer to `window`. `None`: it is corrupt.
pub fn inflate(payload: &[u8], window: &[u8]) -> Option<Inflated> {
    if payload.is_empty() {
        return Some(Inflated { message: Vec::new(), farthest: 0 });
    }
    let bytes = [payload, &EMPTY_BLOCK_END].concat();
    let mut reader = Reader { bytes: &bytes, bit: 0, window, message: Vec::new(), farthest: 0 };
    loop {
        let block = reader.block()?;
        let at = reader.bit.div_ceil(8);
        if block.is_final {
            reader.bit = 8 * at;
        }
        let is_flushed = at == payload.len() && (block.is_final || payload.ends_with(&EMPTY_BLOCK_END));
        let is_whole = at == bytes.len() && block.is_empty;
        if (is_flushed || is_whole) && reader.bit == 8 * at {
            return Some(Inflated { message: reader.message, farthest: reader.farthest });
        }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    bit: usize,
    window: &'a [u8],
    message: Vec<u8>,
    farthest: usize,
}

struct Block {
    is_final: bool,
    /// It has no compression and no content.
    is_empty: bool,
}

impl Reader<'_> {
    fn block(&mut self) -> Option<Block> {
        let is_final = self.bits(1)? == 1;
        let is_empty = match self.bits(2)? {
            0 => self.stored()?,
            1 => self.compressed(&fixed(), &Code::new(&[5; 30])?)?,
            2 => {
                let (literals, distances) = self.dynamic()?;
                self.compressed(&literals, &distances)?
            }
            _ => return None,
        };
        Some(Block { is_final, is_empty })
    }

    fn bits(&mut self, count: u32) -> Option<usize> {
        let mut value = 0;
        for place in 0..count {
            let byte = *self.bytes.get(self.bit / 8)?;
            value |= usize::from(byte >> (self.bit % 8) & 1) << place;
            self.bit += 1;
        }
        Some(value)
    }

    /// RFC 1951 3.2.4.
    fn stored(&mut self) -> Option<bool> {
        self.bit = self.bit.next_multiple_of(8);
        let (len, complement) = (self.bits(16)?, self.bits(16)?);
        let start = self.bit / 8;
        // What is put back behind a payload is the end of a block, not the content of one.
        let content = self.bytes[..self.bytes.len() - if len > 0 { 4 } else { 0 }].get(start..start + len)?;
        self.message.extend_from_slice(content);
        self.bit += 8 * len;
        (len ^ 0xFFFF == complement && self.message.len() <= MESSAGE_MAX).then_some(len == 0)
    }

    /// RFC 1951 3.2.5.
    fn compressed(&mut self, literals: &Code, distances: &Code) -> Option<bool> {
        loop {
            match self.symbol(literals)? {
                256 => return Some(false),
                literal @ 0..256 => self.message.push(literal as u8),
                length => {
                    let index = length - 257;
                    let length = *LENGTH_BASE.get(index)? + self.bits(LENGTH_EXTRA[index])?;
                    let index = self.symbol(distances)?;
                    let distance = *DISTANCE_BASE.get(index)? + self.bits(index.saturating_sub(2) as u32 / 2)?;
                    self.copy(length, distance)?;
                }
            }
            if self.message.len() > MESSAGE_MAX {
                return None;
            }
        }
    }

    fn copy(&mut self, length: usize, distance: usize) -> Option<()> {
        self.farthest = self.farthest.max(distance);
        for _ in 0..length {
            let byte = match self.message.len().checked_sub(distance) {
                Some(at) => self.message[at],
                None => self.window[(self.window.len() + self.message.len()).checked_sub(distance)?],
            };
            self.message.push(byte);
        }
        Some(())
    }

    fn symbol(&mut self, code: &Code) -> Option<usize> {
        // The words of each length count up from the first one of that length.
        let (mut word, mut first, mut index) = (0, 0, 0);
        for &count in &code.counts {
            word = word << 1 | self.bits(1)?;
            first <<= 1;
            if word < first + count {
                return Some(code.symbols[index + word - first]);
            }
            first += count;
            index += count;
        }
        None
    }

    /// RFC 1951 3.2.7.
    fn dynamic(&mut self) -> Option<(Code, Code)> {
        let (literals, distances, counts) = (self.bits(5)? + 257, self.bits(5)? + 1, self.bits(4)? + 4);
        if literals > 286 || distances > 30 {
            return None;
        }
        let mut lengths = [0; 19];
        for &symbol in &CODE_LENGTH_ORDER[..counts] {
            lengths[symbol] = self.bits(3)?;
        }
        let code = Code::new(&lengths).filter(|code| code.is_complete)?;
        let lengths = self.lengths(&code, literals + distances)?;
        let (literals, distances) = lengths.split_at(literals);
        // Without a code for its end, a block would have none.
        let is_ended = literals[256] > 0;
        let usable = |code: &Code| code.is_complete || code.counts[1..].iter().all(|&count| count == 0);
        let (literals, distances) = (Code::new(literals)?, Code::new(distances)?);
        (is_ended && usable(&literals) && usable(&distances)).then_some((literals, distances))
    }

    fn lengths(&mut self, code: &Code, count: usize) -> Option<Vec<usize>> {
        let mut lengths: Vec<usize> = Vec::new();
        while lengths.len() < count {
            let (length, times) = match self.symbol(code)? {
                16 => (*lengths.last()?, 3 + self.bits(2)?),
                17 => (0, 3 + self.bits(3)?),
                18 => (0, 11 + self.bits(7)?),
                length => (length, 1),
            };
            lengths.extend(std::iter::repeat_n(length, times));
        }
        (lengths.len() == count).then_some(lengths)
    }
}

/// A prefix code: how many words there are of each length from 1 on, and the symbols for which they stand, in order.
struct Code {
    counts: [usize; 15],
    symbols: Vec<usize>,
    is_complete: bool,
}

impl Code {
    /// RFC 1951 3.2.2. `None`: there are more words than their lengths allow.
    fn new(lengths: &[usize]) -> Option<Code> {
        let mut code = Code { counts: [0; 15], symbols: Vec::new(), is_complete: false };
        let mut free: usize = 1;
        for (count, len) in code.counts.iter_mut().zip(1..) {
            let before = code.symbols.len();
            code.symbols.extend((0..lengths.len()).filter(|&symbol| lengths[symbol] == len));
            *count = code.symbols.len() - before;
            free = (2 * free).checked_sub(*count)?;
        }
        code.is_complete = free == 0;
        Some(code)
    }
}

/// RFC 1951 3.2.6.
fn fixed() -> Code {
    let length = |symbol| match symbol {
        0..144 => 8,
        144..256 => 9,
        256..280 => 7,
        _ => 8,
    };
    let lengths: Vec<usize> = (0..288).map(length).collect();
    Code::new(&lengths).expect("RFC 1951 3.2.6")
}
