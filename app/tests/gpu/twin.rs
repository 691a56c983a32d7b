//! What the shaders should give, in f64 on the CPU.

use vernier_engine::picture::Picture;

/// Channels of an image, 0..1, one pixel after the other.
#[derive(Clone)]
pub(crate) struct Image {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) pixels: Vec<[f64; 3]>,
}

impl Image {
    pub(crate) fn of(picture: &Picture) -> Self {
        Self {
            width: picture.width_px as usize,
            height: picture.height_px as usize,
            pixels: picture
                .rgb
                .chunks(3)
                .map(|p| [p[0], p[1], p[2]].map(|b| f64::from(b) / 255.0))
                .collect(),
        }
    }

    pub(crate) fn of_mask(width: u32, height: u32, coverage: &[u8]) -> Self {
        Self {
            width: width as usize,
            height: height as usize,
            pixels: coverage
                .iter()
                .map(|&b| [f64::from(b) / 255.0; 3])
                .collect(),
        }
    }

    /// The mean over `x0..x1` × `y0..y1`, edges repeated outward.
    pub(crate) fn mean(&self, [x0, x1]: [f64; 2], [y0, y1]: [f64; 2]) -> [f64; 3] {
        let mut sum = [0.0; 3];
        for y in y0.floor() as i64..=y1.floor() as i64 {
            let tall = (y1.min(y as f64 + 1.0) - y0.max(y as f64)).max(0.0);
            for x in x0.floor() as i64..=x1.floor() as i64 {
                let wide = (x1.min(x as f64 + 1.0) - x0.max(x as f64)).max(0.0);
                let column = x.clamp(0, self.width as i64 - 1) as usize;
                let row = y.clamp(0, self.height as i64 - 1) as usize;
                let pixel = self.pixels[row * self.width + column];
                for (sum, value) in sum.iter_mut().zip(pixel) {
                    *sum += wide * tall * value;
                }
            }
        }
        sum.map(|sum| sum / ((x1 - x0) * (y1 - y0)))
    }

    /// The next mip level, in bytes as it is stored.
    pub(crate) fn halved(&self) -> Self {
        let (width, height) = ((self.width / 2).max(1), (self.height / 2).max(1));
        let step = [
            self.width as f64 / width as f64,
            self.height as f64 / height as f64,
        ];
        let mut pixels = Vec::new();
        for y in 0..height {
            for x in 0..width {
                let mean = self.mean(
                    [x as f64 * step[0], (x + 1) as f64 * step[0]],
                    [y as f64 * step[1], (y + 1) as f64 * step[1]],
                );
                pixels.push(mean.map(|v| (v * 255.0 + 1e-9).round() / 255.0));
            }
        }
        Self {
            width,
            height,
            pixels,
        }
    }
}

/// An image and its mip levels.
pub(crate) struct Mips(Vec<Image>);

/// Where an image lies on the screen, in pixels.
#[derive(Clone, Copy)]
pub(crate) struct Placed {
    pub(crate) origin: [f64; 2],
    pub(crate) extent: [f64; 2],
}

impl Placed {
    /// As a view of `zoom` puts it, without snapping.
    pub(crate) fn at(origin: [f64; 2], size: [u32; 2], zoom: f64) -> Self {
        Self {
            origin,
            extent: size.map(|side| f64::from(side) * zoom),
        }
    }

    /// How much of the pixel around a point is covered.
    pub(crate) fn inside(&self, x: f64, y: f64) -> f64 {
        let cover = |at: f64, axis: usize| {
            let (low, high) = (self.origin[axis], self.origin[axis] + self.extent[axis]);
            ((at - low).min(high - at) + 0.5).clamp(0.0, 1.0)
        };
        cover(x, 0) * cover(y, 1)
    }
}

impl Mips {
    pub(crate) fn of(image: Image) -> Self {
        let mut levels = vec![image];
        while levels
            .last()
            .unwrap()
            .width
            .max(levels.last().unwrap().height)
            > 1
        {
            levels.push(levels.last().unwrap().halved());
        }
        Self(levels)
    }

    /// Only the largest level.
    pub(crate) fn flat(image: Image) -> Self {
        Self(vec![image])
    }

    /// What a screen pixel around `x`, `y` sees.
    pub(crate) fn seen(&self, placed: Placed, x: f64, y: f64, smallest: f64) -> [f64; 3] {
        let place = [
            (x - placed.origin[0]) / placed.extent[0],
            (y - placed.origin[1]) / placed.extent[1],
        ];
        let base = &self.0[0];
        let scale =
            (base.width as f64 / placed.extent[0]).max(base.height as f64 / placed.extent[1]);
        let lod = scale.log2().clamp(0.0, (self.0.len() - 1) as f64);
        let on_level = |level: usize, smallest: f64| {
            let image = &self.0[level];
            let range = |axis: usize, side: usize| {
                let side = side as f64;
                let half = (side / placed.extent[axis]).clamp(smallest, 2.0) / 2.0;
                [place[axis] * side - half, place[axis] * side + half]
            };
            image.mean(range(0, image.width), range(1, image.height))
        };
        let level = lod.floor() as usize;
        let fine = on_level(level, smallest);
        let part = lod.fract();
        if part == 0.0 || level + 1 == self.0.len() {
            return fine;
        }
        let coarse = on_level(level + 1, 1.0);
        [0, 1, 2].map(|c| fine[c] + (coarse[c] - fine[c]) * part)
    }
}

/// `color` at `alpha`, premultiplied.
pub(crate) fn premultiplied(color: [f64; 3], alpha: f64) -> [f64; 4] {
    let [r, g, b] = color.map(|v| v * alpha);
    [r, g, b, alpha]
}

/// Premultiplied `top` over `bottom`.
pub(crate) fn over(top: [f64; 4], bottom: [f64; 4]) -> [f64; 4] {
    [0, 1, 2, 3].map(|c| top[c] + bottom[c] * (1.0 - top[3]))
}
