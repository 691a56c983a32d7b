// Latents to colours, in two passes: the linear guess of each latent's colour, then a bicubic
// enlargement to the size of the picture.

const MOST_CHANNELS: u32 = 32u;

struct LatentRgb {
    // Red, green and blue of each latent channel.
    factors: array<vec4<f32>, MOST_CHANNELS>,
    // Red, green and blue where all latents are 0.
    bias: vec3<f32>,
    // Side of the square of pixels that one latent stands for.
    pixels_per_cell: f32,
}

@group(0) @binding(0) var<uniform> rgb: LatentRgb;
// One layer a channel.
@group(0) @binding(1) var latents: texture_2d_array<f32>;
// What the first pass drew.
@group(0) @binding(2) var colors: texture_2d<f32>;

// A triangle over the whole target.
@vertex
fn vertex(@builtin(vertex_index) index: u32) -> @builtin(position) vec4<f32> {
    return vec4(f32(index & 1u) * 4.0 - 1.0, f32(index >> 1u) * 4.0 - 1.0, 0.0, 1.0);
}

@fragment
fn project(@builtin(position) at: vec4<f32>) -> @location(0) vec4<f32> {
    let cell = vec2<i32>(at.xy);
    var color = rgb.bias;
    for (var channel = 0u; channel < textureNumLayers(latents); channel++) {
        color += rgb.factors[channel].rgb * textureLoad(latents, cell, channel, 0).r;
    }
    return vec4(color, 1.0);
}

// Catmull-Rom weights of the four cells around a place that is `t` past the second one.
fn cubic(t: f32) -> vec4<f32> {
    let t2 = t * t;
    let t3 = t2 * t;
    return 0.5 * vec4(
        2.0 * t2 - t - t3,
        3.0 * t3 - 5.0 * t2 + 2.0,
        t + 4.0 * t2 - 3.0 * t3,
        t3 - t2,
    );
}

@fragment
fn enlarge(@builtin(position) at: vec4<f32>) -> @location(0) vec4<f32> {
    let place = at.xy / rgb.pixels_per_cell - 0.5;
    let start = floor(place);
    let across = cubic(place.x - start.x);
    let down = cubic(place.y - start.y);
    let last = vec2<i32>(textureDimensions(colors)) - 1;
    var sum = vec3(0.0);
    for (var j = 0; j < 4; j++) {
        for (var i = 0; i < 4; i++) {
            let cell = clamp(vec2<i32>(start) + vec2(i, j) - 1, vec2(0), last);
            sum += across[i] * down[j] * textureLoad(colors, cell, 0).rgb;
        }
    }
    return vec4(clamp(sum, vec3(0.0), vec3(1.0)), 1.0);
}
