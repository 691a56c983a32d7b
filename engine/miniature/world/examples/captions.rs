//! Prints random captions, to read: `captions [COUNT] [SEED]`.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use vernier_world::{CaptionOptions, SampleOptions, Scene, caption, lexicon, words};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let count: usize = args.next().map_or(Ok(20), |n| n.parse())?;
    let seed: u64 = args.next().map_or(Ok(1), |n| n.parse())?;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    println!("{} words in the lexicon", lexicon().len());
    for _ in 0..count {
        let scene = Scene::sample(&mut rng, &SampleOptions::default());
        let c = caption(&scene, &mut rng, &CaptionOptions::default());
        println!("{:2}  {}", words(&c.text).len(), c.text);
    }
    Ok(())
}
