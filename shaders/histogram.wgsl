// How often each byte value occurs in a picture: red, green, blue and luminance.

@group(0) @binding(0) var picture: texture_2d<f32>;
// 256 bins each of red, green, blue and luminance.
@group(0) @binding(1) var<storage, read_write> bins: array<atomic<u32>, 1024>;

// The same for the pixels of one workgroup; zero at its start.
var<workgroup> own: array<atomic<u32>, 1024>;

@compute @workgroup_size(16, 16)
fn count(
    @builtin(global_invocation_id) pixel: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    if all(pixel.xy < textureDimensions(picture)) {
        let color = vec3<u32>(round(textureLoad(picture, pixel.xy, 0).rgb * 255.0));
        // Rec. 709 luma of the bytes as they are, in whole numbers so that it is the same anywhere.
        let luminance = (54u * color.r + 183u * color.g + 19u * color.b + 128u) >> 8u;
        atomicAdd(&own[color.r], 1u);
        atomicAdd(&own[256u + color.g], 1u);
        atomicAdd(&own[512u + color.b], 1u);
        atomicAdd(&own[768u + luminance], 1u);
    }
    workgroupBarrier();
    for (var bin = lane; bin < 1024u; bin += 256u) {
        let found = atomicLoad(&own[bin]);
        if found > 0u {
            atomicAdd(&bins[bin], found);
        }
    }
}
