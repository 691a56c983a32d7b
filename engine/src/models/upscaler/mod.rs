//! Networks that enlarge pictures: the ESRGAN family and its compact relative.

mod compact;
mod names;
mod rrdb;

use std::path::Path;
use std::rc::Rc;

use tch::{Device, Kind, Tensor};

use crate::Result;
use crate::weights::{ParamStore, TensorFile};

use compact::Compact;
use names::Layout;
use rrdb::RrdbNet;

/// An enlarging network.
#[derive(Debug)]
enum Net {
    Rrdb(Box<RrdbNet>),
    Compact(Compact),
}

/// A network that enlarges pictures, in fp32.
#[derive(Debug)]
pub struct UpscalerNet {
    net: Net,
    factor: u32,
}

impl UpscalerNet {
    /// Loads the file `path`: ESRGAN in its first naming, Real-ESRGAN and BSRGAN in BasicSR's
    /// (`RRDBNet`), or `SRVGGNetCompact`; as safetensors or by `torch.save`.
    ///
    /// # Errors
    /// The file cannot be read, is none of these, or is not whole.
    pub fn open(path: &Path, device: Device) -> Result<Self> {
        let _guard = tch::no_grad_guard();
        let file = Rc::new(TensorFile::open(path)?);
        let found = names::read(&file)?;
        let store = ParamStore::renamed(found.file, Kind::Float, device);
        let net = match found.layout {
            Layout::Rrdb(shape) => Net::Rrdb(Box::new(RrdbNet::new(&store.root(), shape)?)),
            Layout::Compact(shape) => Net::Compact(Compact::new(&store.root(), &shape)?),
        };
        store.finish()?;
        store.check_finite()?;
        Ok(Self {
            factor: found.factor,
            net,
        })
    }

    /// How many times wider and higher it makes a picture.
    pub fn factor(&self) -> u32 {
        self.factor
    }

    /// `pictures` `[batch, 3, h, w]` in 0..1 as `[batch, 3, h·factor, w·factor]`, in one piece and
    /// not clamped.
    ///
    /// # Errors
    /// Memory runs out.
    pub fn forward(&self, pictures: &Tensor) -> Result<Tensor> {
        match &self.net {
            Net::Rrdb(net) => net.forward(pictures),
            Net::Compact(net) => net.forward(pictures),
        }
    }
}
