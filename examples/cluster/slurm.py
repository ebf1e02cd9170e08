"""A scheduler here and workers as jobs of Slurm, for `feta-evaluate run --scheduler`; Ctrl-C ends all of it.

    pip install dask-jobqueue
    feta-evaluate certificates CERTIFICATES
    python slurm.py CERTIFICATES --workers 8 --port 8786 [--gpu] [--memory-gb 20] [--option=--partition=gpu]

Every node needs a container engine that its jobs may use (rootless Podman: DOCKER_HOST), the evaluator of this release,
and CERTIFICATES under the same path.
"""

from __future__ import annotations

import argparse
import signal
import threading
from pathlib import Path

from dask_jobqueue import SLURMCluster
from distributed.security import Security

parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
parser.add_argument("certificates", type=Path)
parser.add_argument("--workers", type=int, default=4, help="Jobs of Slurm, each with one container at a time.")
parser.add_argument("--port", type=int, default=8786)
parser.add_argument("--cores", type=int, default=4, help="Of a job: no fewer than `cpus` of the roster.")
parser.add_argument("--memory-gb", type=float, default=20, help="Of a job: more than `memory_mb` of the roster.")
parser.add_argument("--hours", type=int, default=12, help="After which Slurm ends a job; its case is done again.")
parser.add_argument("--gpu", action="store_true", help="One GPU a job.")
parser.add_argument("--option", action="append", default=[], help="For sbatch, such as --option=--partition=gpu.")
options = parser.parse_args()

folder = options.certificates.resolve()
roles = {
    f"tls_{role}_{what}": str(folder / f"{role}{end}.pem")
    for role in ("scheduler", "worker", "client")
    for what, end in (("cert", ""), ("key", "-key"))
}
resources = "GPU=1" if options.gpu else "CONTAINER=1"
with SLURMCluster(
    security=Security(tls_ca_file=str(folder / "ca.pem"), require_encryption=True, **roles),
    # Without a dashboard dask serves pages all the same, which know no certificates: for this machine alone.
    scheduler_options={"port": options.port, "dashboard": False, "dashboard_address": "127.0.0.1:0"},
    cores=options.cores,
    memory=f"{options.memory_gb:g}GB",
    processes=1,
    walltime=f"{options.hours}:00:00",
    # One container a job, whatever the cores; dask must not end a worker for the memory of others' processes.
    worker_extra_args=[
        "--nthreads",
        "1",
        "--resources",
        resources,
        "--no-dashboard",
        "--dashboard-address",
        "127.0.0.1:0",
    ],
    job_extra_directives=[*options.option, *(["--gres=gpu:1"] if options.gpu else [])],
    log_directory="feta-workers",
) as cluster:
    cluster.scale(jobs=options.workers)
    print(f"{cluster.scheduler_address}: {options.workers} jobs asked for; see squeue", flush=True)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    stop.wait()
