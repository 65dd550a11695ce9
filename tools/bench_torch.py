"""Times PyTorch's training step: bench_torch.py mlp|hydra SECONDS. One thread; prints the best variant's median step in ms.

The inputs are float tensors in memory, so PyTorch neither gathers nor normalises. The Hydra student is written in the two ways a
PyTorch user would (one batched product for all heads; a loop over modules), each with the plain and the multi-tensor Adam."""
import statistics
import sys
import time

import torch
from torch import nn

torch.set_num_threads(1)
torch.manual_seed(1)
BATCH, M, T = 128, 20, 4.0


class Batched(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(784, 200)
        self.w1 = nn.Parameter(torch.randn(M, 200, 200) * 0.07)
        self.b1 = nn.Parameter(torch.zeros(M, 1, 200))
        self.w2 = nn.Parameter(torch.randn(M, 200, 10) * 0.07)
        self.b2 = nn.Parameter(torch.zeros(M, 1, 10))

    def forward(self, x):
        h = torch.relu(self.body(x)).unsqueeze(0).expand(M, -1, -1)
        return torch.baddbmm(self.b2, torch.relu(torch.baddbmm(self.b1, h, self.w1)), self.w2)


class Looped(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(784, 200)
        self.heads = nn.ModuleList(nn.Sequential(nn.Linear(200, 200), nn.ReLU(), nn.Linear(200, 10)) for _ in range(M))

    def forward(self, x):
        h = torch.relu(self.body(x))
        return torch.stack([head(h) for head in self.heads])


def median_step(net, loss, seconds, foreach):
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3, foreach=foreach)
    x = torch.rand(BATCH, 784)
    times = []
    start = time.perf_counter()
    while time.perf_counter() - start < seconds or len(times) < 20:
        begin = time.perf_counter()
        optimiser.zero_grad(set_to_none=True)
        loss(net(x)).backward()
        optimiser.step()
        times.append(time.perf_counter() - begin)
    return 1e3 * statistics.median(times)


work, seconds = sys.argv[1], float(sys.argv[2])
if work == "mlp":
    y = torch.randint(0, 10, (BATCH,))
    variants = {
        f"Sequential, foreach={f}": median_step(
            nn.Sequential(nn.Linear(784, 200), nn.ReLU(), nn.Linear(200, 200), nn.ReLU(), nn.Linear(200, 10)),
            lambda z: nn.functional.cross_entropy(z, y), seconds / 2, f) for f in (False, True)}
else:
    target = torch.softmax(torch.randn(M, BATCH, 10) * 3 / T, -1)

    def loss(z):
        log_p = torch.log_softmax(z / T, -1)
        return nn.functional.kl_div(log_p, target, reduction="sum") * T * T / (BATCH * M)

    variants = {f"{kind.__name__}, foreach={f}": median_step(kind(), loss, seconds / 4, f)
                for kind in (Batched, Looped) for f in (False, True)}
best = min(variants, key=variants.get)
print(f"median_ms {variants[best]:.4f} ({best})")
