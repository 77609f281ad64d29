"""The Procfile: its very commands, started as the platform starts them."""

import os
import subprocess
import sys
from pathlib import Path

from tests.process import processes
from tools.dev.stack import free_port

ROOT = Path(__file__).parents[2]
COMMANDS = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())


def test_release_web_and_worker_start_and_stop_as_the_platform_does_it(tmp_path: Path) -> None:
    # `python` is the one of the platform.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with processes.redis_server(tmp_path) as server:
        variables = processes.environment(server.url, PORT=str(free_port()), PATH=path)
        release = subprocess.run(
            COMMANDS["release"].split(), cwd=ROOT, env=variables, capture_output=True, text=True, check=False
        )
        assert release.returncode == 0, release.stdout + release.stderr
        for name, event in (("web", "service.started"), ("worker", "worker.started")):
            log = tmp_path / f"{name}.log"
            program, *arguments = COMMANDS[name].split()
            assert program == "python"
            process = processes.Process(arguments, variables, log, ROOT)
            try:
                process.wait_for(event)
                assert process.stop() == 0
            finally:
                process.kill()
