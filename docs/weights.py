"""Write the weights of a training that is still going on, as its saved state has them.

python docs/weights.py NETWORK OUTPUT    NETWORK is where the training will write its network (.safetensors)
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))
from safetensors.torch import save_file

from rehash.tensors import read_tensors

if __name__ == "__main__":
    network, output = map(Path, sys.argv[1:])
    (path,) = network.parent.glob(f".{network.name}.*.state")
    tensors, about = read_tensors(path)
    weights = {name.removeprefix("now/"): tensor for name, tensor in tensors.items() if name.startswith("now/")}
    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, output)
    print(f"after {about['values']['epoch']} epochs and {about['values']['batch']} batches")
