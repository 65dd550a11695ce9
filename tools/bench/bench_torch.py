"""Times PyTorch's step on synthetic data, with one thread a process.

Prints "median_ms M images_s R peak_mb P (VARIANT)": the median step, what it makes of its batch of 128, and the most memory that
the process ever held. Without VARIANT each way to write the work runs in a process of its own for its share of the seconds, and
the fastest is printed. From PyTorch 2 on each way is also tried after torch.compile. A work whose name ends in _bf16 runs in
bfloat16 by autocast. The works:

    mlp, hydra       784-200-200-10, and the student with 20 heads of 200 hidden units; Adam, plain, multi-tensor and fused. The
                     heads are batched products, or the same with one Linear for all first layers, or a loop over modules
    resnet20         a training step, SGD with Nesterov momentum, in both memory formats
    hydra_ddp        hydra in two processes, by DistributedDataParallel over gloo
    resnet20_infer   the forward pass in eval mode, in both memory formats
    resnet20_frozen  the same after torch.jit.optimize_for_inference, which folds the norms and keeps oneDNN's layouts
    resnet20_onnx    the same by ONNX Runtime, where that is installed
    resnet20_ddp     two processes, DistributedDataParallel over gloo, a batch of 128 for each and a processor of TRB_BENCH_CPUS
                     ("0,1"), with and without sending the running statistics round
    hydra_fc         distilling ResNet-20 with 20 linear heads, which are one Linear of 200 outputs
    hydra_block      distilling ResNet-20 with 10 heads of its last residual block: a loop, or grouped convolutions

The inputs are float tensors in memory, so PyTorch neither gathers, normalises nor augments, which is in its favour: our side does.
Denormal numbers are flushed to zero: Adam's moments of dead units become such, and arithmetic with them is slow.
"""
import contextlib
import importlib.metadata
import os
import re
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(1, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "python"))
import trb_tool

with trb_tool.needs("torch"):
    import torch
    import torch.nn.functional as F
    from torch import nn

BATCH, T = 128, 4.0
VERSION = tuple(int(n) for n in re.findall(r"\d+", torch.__version__)[:2])
ADAMS = ("plain", "foreach") + (("fused",) if VERSION >= (2, 4) else ())
COMPILED = "compiled, "  # how the names of such variants begin
compiling, autocast = False, contextlib.nullcontext  # as the variant and the work ask


class Batched(nn.Module):
    def __init__(self, M):
        super().__init__()
        self.M, self.body = M, nn.Linear(784, 200)
        self.w1 = nn.Parameter(torch.randn(M, 200, 200) * 0.07)
        self.b1 = nn.Parameter(torch.zeros(M, 1, 200))
        self.w2 = nn.Parameter(torch.randn(M, 200, 10) * 0.07)
        self.b2 = nn.Parameter(torch.zeros(M, 1, 10))

    def forward(self, x):
        h = torch.relu(self.body(x)).unsqueeze(0).expand(self.M, -1, -1)
        return torch.baddbmm(self.b2, torch.relu(torch.baddbmm(self.b1, h, self.w1)), self.w2)


class Joined(nn.Module):
    """All heads read the same features, so their first layers are one."""

    def __init__(self, M):
        super().__init__()
        self.M, self.body, self.first = M, nn.Linear(784, 200), nn.Linear(200, 200 * M)
        self.w2 = nn.Parameter(torch.randn(M, 200, 10) * 0.07)
        self.b2 = nn.Parameter(torch.zeros(M, 1, 10))

    def forward(self, x):
        h = torch.relu(self.first(torch.relu(self.body(x)))).unflatten(1, (self.M, 200)).transpose(0, 1)
        return torch.baddbmm(self.b2, h, self.w2)


class Looped(nn.Module):
    def __init__(self, M):
        super().__init__()
        self.body = nn.Linear(784, 200)
        self.heads = nn.ModuleList(nn.Sequential(nn.Linear(200, 200), nn.ReLU(), nn.Linear(200, 10)) for _ in range(M))

    def forward(self, x):
        h = torch.relu(self.body(x))
        return torch.stack([head(h) for head in self.heads])


def conv(inputs, outputs, size=3, stride=1, groups=1):
    return nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False)


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1, self.norm1 = conv(inputs, outputs, 3, stride), nn.BatchNorm2d(outputs)
        self.conv2, self.norm2 = conv(outputs, outputs), nn.BatchNorm2d(outputs)
        self.shortcut = nn.Sequential()
        if stride > 1 or inputs != outputs:
            self.shortcut = nn.Sequential(conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = F.relu(self.norm1(self.conv1(x)), inplace=True)
        y = self.norm2(self.conv2(y))
        y += self.shortcut(x)
        return F.relu(y, inplace=True)


def body(blocks=9):
    layers, inputs = [conv(3, 16), nn.BatchNorm2d(16), nn.ReLU(inplace=True)], 16
    for i in range(blocks):
        outputs = 16 << i // 3
        layers.append(Block(inputs, outputs, 2 if outputs > inputs else 1))
        inputs = outputs
    return nn.Sequential(*layers)


def resnet20(outputs=10):
    return nn.Sequential(body(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, outputs))


class LinearHeads(nn.Module):
    def __init__(self, M):
        super().__init__()
        self.net = resnet20(10 * M)

    def forward(self, x):
        return self.net(x).unflatten(1, (-1, 10))


class LoopedBlocks(nn.Module):
    def __init__(self, M):
        super().__init__()
        self.body = body(8)
        self.heads = nn.ModuleList(nn.Sequential(Block(64, 64, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))
                                   for _ in range(M))

    def forward(self, x):
        h = self.body(x)
        return torch.stack([head(h) for head in self.heads], 1)


class GroupedBlocks(nn.Module):
    """All heads read the same features, so the first convolution is one of 64 M filters; the second has a group a head."""

    def __init__(self, M):
        super().__init__()
        self.M, self.body = M, body(8)
        self.conv1, self.norm1 = conv(64, 64 * M), nn.BatchNorm2d(64 * M)
        self.conv2, self.norm2 = conv(64 * M, 64 * M, groups=M), nn.BatchNorm2d(64 * M)
        self.weight, self.bias = nn.Parameter(torch.randn(M, 64, 10) * 0.1), nn.Parameter(torch.zeros(M, 1, 10))

    def forward(self, x):
        h = self.body(x)
        y = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(h)), inplace=True))).unflatten(1, (self.M, 64))
        y += h.unsqueeze(1)
        features = F.relu(y, inplace=True).mean((3, 4)).transpose(0, 1)
        return torch.baddbmm(self.bias, features, self.weight).transpose(0, 1)


def kd(shape):
    target = torch.softmax(torch.randn(*shape) * 3 / T, -1)
    heads_and_rows = shape[0] * shape[1]
    return lambda z: F.kl_div(torch.log_softmax(z / T, -1), target, reduction="sum") * T * T / heads_and_rows


def cross_entropy():
    y = torch.randint(0, 10, (BATCH,))
    return lambda z: F.cross_entropy(z, y)


def adam(net, how):
    return torch.optim.Adam(net.parameters(), lr=1e-3, **{"plain": {"foreach": False}}.get(how, {how: True}))


def sgd(net):
    how = {"fused": True} if VERSION >= (2, 4) else {"foreach": True}
    return torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4, **how)


def compiled(function):
    return torch.compile(function) if compiling else function


def training(net, x, loss, optimiser):
    forward = compiled(lambda: loss(net(x)))

    def step():
        optimiser.zero_grad(set_to_none=True)
        with autocast():
            value = forward()
        value.backward()
        optimiser.step()
    return step


def images(net, memory_format):
    """The network and a batch in a memory format."""
    memory_format = getattr(torch, memory_format)
    return net.to(memory_format=memory_format), torch.randn(BATCH, 3, 32, 32).to(memory_format=memory_format)


def mlp(how):
    net = nn.Sequential(nn.Linear(784, 200), nn.ReLU(), nn.Linear(200, 200), nn.ReLU(), nn.Linear(200, 10))
    return training(net, torch.rand(BATCH, 784), cross_entropy(), adam(net, how))


def hydra(kind, how):
    net = kind(20)
    return training(net, torch.rand(BATCH, 784), kd((20, BATCH, 10)), adam(net, how))


def student(kind, M, memory_format):
    net, x = images(kind(M), memory_format)
    return training(net, x, kd((BATCH, M, 10)), sgd(net))


def resnet20_train(memory_format):
    net, x = images(resnet20(), memory_format)
    return training(net, x, cross_entropy(), sgd(net))


def resnet20_infer(frozen, memory_format):
    net, x = images(resnet20().eval(), memory_format)
    if frozen:
        net = torch.jit.optimize_for_inference(torch.jit.script(net))
    net = compiled(net)

    def step():
        with torch.inference_mode(), autocast():
            net(x)
    return step


def resnet20_onnx():
    import onnxruntime
    net, x = resnet20().eval(), torch.randn(BATCH, 3, 32, 32)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
        torch.onnx.export(net, x, file.name, opset_version=17)
        session = onnxruntime.InferenceSession(file.name, options, providers=["CPUExecutionProvider"])
    inputs = {session.get_inputs()[0].name: x.numpy()}
    return lambda: session.run(None, inputs)


def resnet20_ddp(broadcast_buffers, memory_format):
    """This process's half; RANK, WORLD_SIZE and where to meet are in the environment."""
    torch.distributed.init_process_group("gloo")
    net, x = images(resnet20(), memory_format)
    net = nn.parallel.DistributedDataParallel(net, gradient_as_bucket_view=True, broadcast_buffers=broadcast_buffers)
    return training(net, x, cross_entropy(), sgd(net))


def hydra_ddp(kind):
    torch.distributed.init_process_group("gloo")
    net = nn.parallel.DistributedDataParallel(kind(20), gradient_as_bucket_view=True)
    return training(net, torch.rand(BATCH, 784), kd((20, BATCH, 10)), adam(net, ADAMS[-1]))


def formats(work, *arguments, name=""):
    return {name + f: (work, *arguments, f) for f in ("contiguous_format", "channels_last")}


def and_compiled(ways):
    """Each way as it is, and after torch.compile."""
    return ways | ({COMPILED + name: way for name, way in ways.items()} if VERSION >= (2, 0) else {})


WORKS = {
    "mlp": and_compiled({how: (mlp, how) for how in ADAMS}),
    "hydra": and_compiled({f"{kind.__name__}, {how}": (hydra, kind, how) for kind in (Batched, Joined, Looped) for how in ADAMS}),
    "resnet20": and_compiled(formats(resnet20_train)),
    "resnet20_infer": and_compiled(formats(resnet20_infer, False)),
    "resnet20_frozen": formats(resnet20_infer, True),
    "resnet20_onnx": {"ONNX Runtime": (resnet20_onnx,)},
    "resnet20_ddp": {**formats(resnet20_ddp, True), **formats(resnet20_ddp, False, name="broadcast_buffers=False, ")},
    "hydra_ddp": {kind.__name__: (hydra_ddp, kind) for kind in (Batched, Joined, Looped)},
    "hydra_fc": and_compiled(formats(student, LinearHeads, 20)),
    "hydra_block": and_compiled({**formats(student, LoopedBlocks, 10, name="a loop, "),
                                 **formats(student, GroupedBlocks, 10, name="groups, ")}),
}
WORKS |= {f"{work}_bf16": WORKS[work] for work in ("resnet20", "resnet20_infer")}


def versions():
    onednn = re.search(r"(?:oneDNN|MKL-DNN\)?) v([0-9.]+)", torch.__config__.show())
    said = f"PyTorch {torch.__version__} with oneDNN {onednn.group(1) if onednn else '(not said)'}"
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        said += f", ONNX Runtime {importlib.metadata.version('onnxruntime')}"
    return said


def measure(work, seconds, variant):
    global compiling, autocast
    compiling = variant.startswith(COMPILED)
    if work.endswith("_bf16"):
        autocast = lambda: torch.autocast("cpu", torch.bfloat16)
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    torch.manual_seed(1)
    function, *arguments = WORKS[work][variant]
    step = function(*arguments)
    for _ in range(3):
        step()
    # Processes that wait for each other must agree on the number of steps: it follows from the first one's clock.
    together = torch.distributed.is_initialized()
    times, go_on, start = [], torch.ones(1), time.perf_counter()
    while go_on:
        begin = time.perf_counter()
        step()
        times.append(time.perf_counter() - begin)
        go_on[0] = time.perf_counter() - start < seconds or len(times) < 5
        if together:
            torch.distributed.broadcast(go_on, 0)
    ms, batch = 1e3 * statistics.median(times), BATCH * (torch.distributed.get_world_size() if together else 1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"median_ms {ms:.4f} images_s {1e3 * batch / ms:.0f} peak_mb {peak:.0f} ({variant})", flush=True)


def run(work, seconds, variant):
    """measure() in a process of its own; for DistributedDataParallel in two. Its line, "" if it failed."""
    command = [sys.executable, __file__, work, str(seconds), variant]
    if not work.endswith("_ddp"):
        try:
            alone = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=40 + 10 * seconds)
        except subprocess.TimeoutExpired as e:
            print(f"{work}, {variant}: not measured: not ready after {e.timeout:.0f} s", file=sys.stderr)
            return ""
        if alone.returncode:
            why = [line for line in alone.stderr.splitlines() if re.match(r"[\w.]+(Error|Exit|Failed)\b", line)]
            print(f"{work}, {variant}: not measured: {(why or ['?'])[-1]}", file=sys.stderr)
        return alone.stdout[alone.stdout.find("median_ms"):] if alone.returncode == 0 else ""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    meet = {"MASTER_ADDR": "localhost", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "USE_LIBUV": "0"}
    cpus = os.environ.get("TRB_BENCH_CPUS", "0,1").split(",")
    both = [subprocess.Popen(["taskset", "-c", cpu, *command], env={**os.environ, **meet, "RANK": str(rank)},
                             stdout=subprocess.PIPE, text=True) for rank, cpu in enumerate(cpus[:2])]
    lines = [process.communicate()[0] for process in both]
    if any(process.returncode for process in both):
        trb_tool.fail("one of the two processes failed; it has said why")
    return lines[0]


def main():
    parser = trb_tool.arguments(__doc__)
    parser.add_argument("--versions", action="version", version=versions(), help="Prints the versions of the libraries.")
    parser.add_argument("work", metavar="WORK", choices=WORKS, help="One of the works above.")
    parser.add_argument("seconds", metavar="SECONDS", type=float, help="For how many seconds it measures.")
    parser.add_argument("variant", metavar="VARIANT", nargs="?", help="One way to write the work, as the output names it.")
    a = parser.parse_args()
    work, seconds = a.work, a.seconds
    if a.variant is not None and a.variant not in WORKS[work]:
        parser.error(f"argument VARIANT: expected one of {'; '.join(WORKS[work])}")
    if a.variant is not None and (not work.endswith("_ddp") or "RANK" in os.environ):
        measure(work, seconds, a.variant)
        return
    variants = WORKS[work] if a.variant is None else [a.variant]
    lines = [run(work, seconds / len(variants), variant) for variant in variants]
    if not any(lines):
        raise SystemExit(f"{work}: no way to write it ran")
    print(min(filter(None, lines), key=lambda line: float(line.split()[1])), end="")


if __name__ == "__main__":
    trb_tool.run(main)
