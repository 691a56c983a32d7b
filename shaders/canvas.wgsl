// One picture on the screen, alone or against another, and masks over it.
//
// Everything is in gamma space, as egui blends: bytes that are not resampled come out as they are.

struct Params {
    // Screen rectangle that is painted: left, top, right, bottom, in pixels.
    quad: vec4<f32>,
    // Straight colour and alpha of an overlay.
    color: vec4<f32>,
    // Size of the render target in pixels.
    screen: vec2<f32>,
    // The picture's top left corner and its size on the screen, in pixels.
    origin: vec2<f32>,
    extent: vec2<f32>,
    // Multiplies differences.
    gain: f32,
    // Middle of the wipe's line and its width, in screen pixels.
    wipe: f32,
    line: f32,
    // An overlay's opacity.
    opacity: f32,
    unused: vec2<f32>,
}

const MODE_PLAIN: u32 = 0u;
const MODE_WIPE: u32 = 1u;
const MODE_HEAT: u32 = 2u;

const HEAT_COLORS: i32 = 17;

// How dark the lines beside a mask's outline are.
const OUTLINE_DARK: f32 = 0.6;

// One of the MODE constants: a pipeline each, since software adapters walk both sides of a branch.
override MODE: u32 = MODE_PLAIN;
// Whether a texture has more than one texel a screen pixel.
override MINIFIED: bool = true;
// Whether the target turns linear light into sRGB by itself; egui prefers one that does not.
override LINEAR_TARGET: bool = false;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> heat: array<vec4<f32>, HEAT_COLORS>;

@group(1) @binding(0) var first: texture_2d<f32>;
@group(1) @binding(1) var second: texture_2d<f32>;

@vertex
fn vertex(@builtin(vertex_index) index: u32) -> @builtin(position) vec4<f32> {
    let right = (index & 1u) == 1u;
    let bottom = (index & 2u) == 2u;
    let x = select(params.quad.x, params.quad.z, right);
    let y = select(params.quad.y, params.quad.w, bottom);
    return vec4(2.0 * x / params.screen.x - 1.0, 1.0 - 2.0 * y / params.screen.y, 0.0, 1.0);
}

// The mean over a box of at most one texel a side: it meets two texels at most each way.
fn small_box(texture: texture_2d<f32>, center: vec2<f32>, side: vec2<f32>) -> vec4<f32> {
    let start = floor(center - 0.5 * side);
    let part = clamp((center + 0.5 * side - start - 1.0) / side, vec2(0.0), vec2(1.0));
    let last = vec2<i32>(textureDimensions(texture, 0)) - 1;
    let a = clamp(vec2<i32>(start), vec2(0), last);
    let b = clamp(vec2<i32>(start) + 1, vec2(0), last);
    let top = mix(
        textureLoad(texture, a, 0),
        textureLoad(texture, vec2(b.x, a.y), 0),
        part.x,
    );
    let bottom = mix(
        textureLoad(texture, vec2(a.x, b.y), 0),
        textureLoad(texture, b, 0),
        part.x,
    );
    return mix(top, bottom, part.y);
}

// The mean of a texture's level over a box of at most two texels a side.
fn large_box(texture: texture_2d<f32>, level: i32, center: vec2<f32>, side: vec2<f32>) -> vec4<f32> {
    let low = center - 0.5 * side;
    let high = center + 0.5 * side;
    let start = floor(low);
    let last = vec2<i32>(textureDimensions(texture, level)) - 1;
    var sum = vec4(0.0);
    for (var j = 0; j < 3; j++) {
        let y = start.y + f32(j);
        let tall = max(min(high.y, y + 1.0) - max(low.y, y), 0.0);
        for (var i = 0; i < 3; i++) {
            let x = start.x + f32(i);
            let wide = max(min(high.x, x + 1.0) - max(low.x, x), 0.0);
            let texel = clamp(vec2<i32>(vec2(x, y)), vec2(0), last);
            sum += wide * tall * textureLoad(texture, texel, level);
        }
    }
    return sum / (side.x * side.y);
}

// What one screen pixel at `position` sees of a texture that is stretched over the picture: the
// mean over its footprint. Magnified, texels have exact sides with smooth edges; minified, two mip
// levels are blended. `smallest` is the least side of the footprint in texels.
fn footprint(texture: texture_2d<f32>, position: vec2<f32>, smallest: f32) -> vec4<f32> {
    let place = (position - params.origin) / params.extent;
    let size = vec2<f32>(textureDimensions(texture, 0));
    let scale = size / params.extent;
    if !MINIFIED {
        return small_box(texture, place * size, clamp(scale, vec2(smallest), vec2(1.0)));
    }
    let levels = i32(textureNumLevels(texture));
    let lod = clamp(log2(max(scale.x, scale.y)), 0.0, f32(levels - 1));
    let level = i32(floor(lod));
    let next_level = min(level + 1, levels - 1);
    let here = vec2<f32>(textureDimensions(texture, level));
    let side = clamp(here / params.extent, vec2(smallest), vec2(2.0));
    let fine = large_box(texture, level, place * here, side);
    let next = vec2<f32>(textureDimensions(texture, next_level));
    let next_side = clamp(next / params.extent, vec2(1.0), vec2(2.0));
    let coarse = large_box(texture, next_level, place * next, next_side);
    return mix(fine, coarse, lod - floor(lod));
}

// How much of the screen pixel at `position` the picture covers.
fn inside(position: vec2<f32>) -> f32 {
    let from_edge = min(position - params.origin, params.origin + params.extent - position);
    let covered = clamp(from_edge + 0.5, vec2(0.0), vec2(1.0));
    return covered.x * covered.y;
}

fn heat_color(x: f32) -> vec3<f32> {
    let place = clamp(x, 0.0, 1.0) * f32(HEAT_COLORS - 1);
    let cell = min(i32(place), HEAT_COLORS - 2);
    return mix(heat[cell].rgb, heat[cell + 1].rgb, place - f32(cell));
}

// The target's value for a straight colour and its alpha: premultiplied.
fn target_color(color: vec3<f32>, alpha: f32) -> vec4<f32> {
    var rgb = color * alpha;
    if LINEAR_TARGET {
        let high = pow((rgb + 0.055) / 1.055, vec3(2.4));
        rgb = select(high, rgb / 12.92, rgb < vec3(0.04045));
    }
    return vec4(rgb, alpha);
}

@fragment
fn picture(@builtin(position) at: vec4<f32>) -> @location(0) vec4<f32> {
    let alpha = inside(at.xy);
    if alpha == 0.0 {
        return vec4(0.0);
    }
    if MODE == MODE_WIPE {
        if abs(at.x - params.wipe) < 0.5 * params.line {
            return target_color(params.color.rgb, alpha);
        }
        if at.x > params.wipe {
            return target_color(footprint(second, at.xy, 0.0).rgb, alpha);
        }
    }
    let color = footprint(first, at.xy, 0.0).rgb;
    if MODE == MODE_HEAT {
        let apart = abs(color - footprint(second, at.xy, 0.0).rgb);
        let most = max(apart.r, max(apart.g, apart.b));
        return target_color(heat_color(most * params.gain), alpha);
    }
    return target_color(color, alpha);
}

// How steep `first` is at `position`, by its differences over `reach` screen pixels either way:
// coverage per pixel.
fn slope(position: vec2<f32>, reach: f32) -> f32 {
    let x = vec2(reach, 0.0);
    let y = vec2(0.0, reach);
    let across = footprint(first, position + x, 1.0).r - footprint(first, position - x, 1.0).r;
    let down = footprint(first, position + y, 1.0).r - footprint(first, position - y, 1.0).r;
    return 0.5 * length(vec2(across, down)) / reach;
}

// A mask in `first`: a fill, and a line one screen pixel wide where coverage is a half, between two
// dark ones.
@fragment
fn overlay(@builtin(position) at: vec4<f32>) -> @location(0) vec4<f32> {
    let coverage = footprint(first, at.xy, 1.0).r;
    var line = 0.0;
    var dark = 0.0;
    // Flat places have no edge; most of a mask is flat.
    let wide = slope(at.xy, 2.0);
    if wide > 0.0005 {
        dark = OUTLINE_DARK * clamp(3.0 - abs(coverage - 0.5) / wide, 0.0, 1.0);
        let narrow = slope(at.xy, 1.0);
        if narrow > 0.001 {
            line = clamp(1.0 - abs(coverage - 0.5) / narrow, 0.0, 1.0);
        }
    }
    // One over the other: the fill, the dark lines, the line.
    var fill = coverage * params.opacity;
    fill *= (1.0 - dark) * (1.0 - line);
    let solid = line + fill;
    let alpha = solid + dark * (1.0 - line);
    if alpha == 0.0 {
        return vec4(0.0);
    }
    let rgb = params.color.rgb * solid / alpha;
    return target_color(rgb, alpha * params.color.a * inside(at.xy));
}
