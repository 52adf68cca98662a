//! Owns the picture of a grid: PNG.
//!
//! The one idea: a byte a pixel and the palette of the canvas, which is how the grid lies in memory.
//!
//! Spec: PNG 11.2.1 (colour type 3), 11.2.2 (PLTE).

use crate::app::canvas::domain::{Colour, PALETTE, PLACES, SIDE};

/// The picture.
///
/// # Errors
/// None that a grid has: what the encoder may say of others.
pub fn png(colours: &[Colour; PLACES]) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, SIDE as u32, SIDE as u32);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(PALETTE.as_flattened());
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&colours.map(Colour::index))?;
    writer.finish()?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_shows_what_the_grid_has() {
        let colours: Box<[Colour; PLACES]> =
            Box::new(std::array::from_fn(|place| Colour::of_low_bits((place / SIDE + place) as u8)));
        let bytes = png(&colours).expect("a picture");
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().expect("a head");
        let mut pixels = vec![0; PLACES];
        reader.next_frame(&mut pixels).expect("pixels");
        assert_eq!((reader.info().width, reader.info().height), (256, 256));
        assert_eq!(reader.info().palette.as_deref(), Some(PALETTE.as_flattened()));
        assert!(pixels.iter().zip(colours.iter()).all(|(pixel, colour)| *pixel == colour.index()));
    }
}
