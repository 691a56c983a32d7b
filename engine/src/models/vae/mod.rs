//! The autoencoder (`AutoencoderKL`).
use serde::Deserialize;
use tch::{Kind, Tensor};

use crate::Result;
use crate::layers::{Activation, Conv2d, ConvShape, GroupNorm, Linear, attend};
use crate::weights::Params;

#[derive(Debug, Clone, Deserialize)]
pub struct VaeConfig {
    block_out_channels: Vec<i64>,
    latent_channels: i64,
    layers_per_block: i64,
    norm_num_groups: i64,
    scaling_factor: f64,
}

#[derive(Debug)]
struct Res { n1: GroupNorm, c1: Conv2d, n2: GroupNorm, c2: Conv2d, sc: Option<Conv2d> }
impl Res {
    fn new(p: &Params, i: i64, o: i64, g: i64) -> Result<Self> {
        Ok(Self {
            n1: GroupNorm::new(&p.at("norm1"), g, i, 1e-6)?,
            c1: Conv2d::new(&p.at("conv1"), i, o, ConvShape::SAME_3X3)?,
            n2: GroupNorm::new(&p.at("norm2"), g, o, 1e-6)?,
            c2: Conv2d::new(&p.at("conv2"), o, o, ConvShape::SAME_3X3)?,
            sc: if i == o { None } else { Some(Conv2d::new(&p.at("conv_shortcut"), i, o, ConvShape::POINTWISE)?) },
        })
    }
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let h = self.c1.forward(&Activation::Silu.forward(&self.n1.forward(x)?)?)?;
        let h = self.c2.forward(&Activation::Silu.forward(&self.n2.forward(&h)?)?)?;
        let s = match &self.sc { Some(c) => c.forward(x)?, None => x.shallow_clone() };
        Ok(s.f_add(&h)?)
    }
}

#[derive(Debug)]
struct Mid { r0: Res, r1: Res, n: GroupNorm, q: Linear, k: Linear, v: Linear, o: Linear }
impl Mid {
    fn new(p: &Params, c: i64, g: i64) -> Result<Self> {
        let a = p.at("attentions").at(0);
        Ok(Self {
            r0: Res::new(&p.at("resnets").at(0), c, c, g)?,
            n: GroupNorm::new(&a.at("group_norm"), g, c, 1e-6)?,
            q: Linear::new(&a.at("to_q"), c, c, true)?,
            k: Linear::new(&a.at("to_k"), c, c, true)?,
            v: Linear::new(&a.at("to_v"), c, c, true)?,
            o: Linear::new(&a.at("to_out").at(0), c, c, true)?,
            r1: Res::new(&p.at("resnets").at(1), c, c, g)?,
        })
    }
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.r0.forward(x)?;
        let (b, c, h, w) = x.size4()?;
        let t = self.n.forward(&x)?.f_view([b, c, h * w])?.f_transpose(1, 2)?;
        let hd = |l: &Linear| -> Result<Tensor> { Ok(l.forward(&t)?.f_unsqueeze(1)?) };
        let a = attend(&hd(&self.q)?, &hd(&self.k)?, &hd(&self.v)?, false)?.f_squeeze_dim(1)?;
        let a = self.o.forward(&a)?.f_transpose(1, 2)?.f_reshape([b, c, h, w])?;
        self.r1.forward(&x.f_add(&a)?)
    }
}

#[derive(Debug)]
pub struct Vae {
    ein: Conv2d, edown: Vec<(Vec<Res>, Option<Conv2d>)>, emid: Mid, en: GroupNorm, eout: Conv2d,
    din: Conv2d, dup: Vec<(Vec<Res>, Option<Conv2d>)>, dmid: Mid, dn: GroupNorm, dout: Conv2d,
    qc: Conv2d, pqc: Conv2d, cfg: VaeConfig,
}
#[derive(Debug)]
pub struct LatentDistribution { mean: Tensor, logvar: Tensor }
impl LatentDistribution {
    pub fn mean(&self) -> Tensor { self.mean.shallow_clone() }
    pub fn sample(&self, noise: &Tensor) -> Result<Tensor> {
        Ok(self.logvar.f_mul_scalar(0.5)?.f_exp()?.f_mul(noise)?.f_add(&self.mean)?)
    }
    pub fn kl(&self) -> Result<Tensor> {
        let (m, l) = (self.mean.f_to_kind(Kind::Float)?, self.logvar.f_to_kind(Kind::Float)?);
        Ok(m.f_square()?.f_add(&l.f_exp()?)?.f_sub_scalar(1.0)?.f_sub(&l)?.f_mul_scalar(0.5)?)
    }
}
impl Vae {
    pub fn new(p: &Params, cfg: &VaeConfig) -> Result<Self> {
        let ch = &cfg.block_out_channels; let g = cfg.norm_num_groups; let n = ch.len();
        let last = ch[n - 1];
        let e = p.at("encoder"); let d = p.at("decoder");
        let mut edown = Vec::new(); let mut i = ch[0];
        for (b, &o) in ch.iter().enumerate() {
            let bp = e.at("down_blocks").at(b); let mut rs = Vec::new();
            for l in 0..cfg.layers_per_block { rs.push(Res::new(&bp.at("resnets").at(l), if l == 0 { i } else { o }, o, g)?); }
            let dn = if b + 1 < n { Some(Conv2d::new(&bp.at("downsamplers").at(0).at("conv"), o, o, ConvShape { kernel: 3, stride: 2, padding: 0 })?) } else { None };
            edown.push((rs, dn)); i = o;
        }
        let mut dup = Vec::new(); let mut i = last;
        for (b, &o) in ch.iter().rev().enumerate() {
            let bp = d.at("up_blocks").at(b); let mut rs = Vec::new();
            for l in 0..=cfg.layers_per_block { rs.push(Res::new(&bp.at("resnets").at(l), if l == 0 { i } else { o }, o, g)?); }
            let up = if b + 1 < n { Some(Conv2d::new(&bp.at("upsamplers").at(0).at("conv"), o, o, ConvShape::SAME_3X3)?) } else { None };
            dup.push((rs, up)); i = o;
        }
        let lc = cfg.latent_channels; let s3 = ConvShape::SAME_3X3;
        Ok(Self {
            ein: Conv2d::new(&e.at("conv_in"), 3, ch[0], s3)?, edown,
            emid: Mid::new(&e.at("mid_block"), last, g)?, en: GroupNorm::new(&e.at("conv_norm_out"), g, last, 1e-6)?,
            eout: Conv2d::new(&e.at("conv_out"), last, 2 * lc, s3)?,
            din: Conv2d::new(&d.at("conv_in"), lc, last, s3)?, dup,
            dmid: Mid::new(&d.at("mid_block"), last, g)?, dn: GroupNorm::new(&d.at("conv_norm_out"), g, ch[0], 1e-6)?,
            dout: Conv2d::new(&d.at("conv_out"), ch[0], 3, s3)?,
            qc: Conv2d::new(&p.at("quant_conv"), 2 * lc, 2 * lc, ConvShape::POINTWISE)?,
            pqc: Conv2d::new(&p.at("post_quant_conv"), lc, lc, ConvShape::POINTWISE)?, cfg: cfg.clone(),
        })
    }
    pub fn encode(&self, x: &Tensor) -> Result<LatentDistribution> {
        let mut h = self.ein.forward(x)?;
        for (rs, dn) in &self.edown {
            for r in rs { h = r.forward(&h)?; }
            if let Some(c) = dn { h = c.forward(&h.f_pad([0, 1, 0, 1], "constant", 0.0)?)?; }
        }
        h = self.emid.forward(&h)?;
        h = self.qc.forward(&self.eout.forward(&Activation::Silu.forward(&self.en.forward(&h)?)?)?)?;
        let c = self.cfg.latent_channels;
        Ok(LatentDistribution { mean: h.f_narrow(1, 0, c)?, logvar: h.f_narrow(1, c, c)?.f_clamp(-30.0, 20.0)? })
    }
    pub fn decode(&self, z: &Tensor) -> Result<Tensor> {
        let mut h = self.dmid.forward(&self.din.forward(&self.pqc.forward(z)?)?)?;
        for (rs, up) in &self.dup {
            for r in rs { h = r.forward(&h)?; }
            if let Some(c) = up {
                let (_, _, a, b) = h.size4()?;
                h = c.forward(&h.f_upsample_nearest2d([2 * a, 2 * b], None, None)?)?;
            }
        }
        self.dout.forward(&Activation::Silu.forward(&self.dn.forward(&h)?)?)
    }
    pub fn scale(&self, z: &Tensor) -> Result<Tensor> { Ok(z.f_mul_scalar(self.cfg.scaling_factor)?) }
}
