import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys, torch
from experiment.memory import keep_freed_memory
torch.set_num_threads(1)
if sys.argv[1] == "keep":
    assert keep_freed_memory()
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
x = torch.ones(2**20)
step = lambda: sum((x + i)[0] for i in range(5))
for _ in range(9):
    step()
before = faults()
for _ in range(20):
    step()
print(faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
def test_a_step_faults_in_its_memory_once():
    """4 MiB tensors, made and freed a hundred times: a thousand pages each by default, hardly any when kept."""

    def faults(how: str) -> int:
        command = [sys.executable, "-c", FAULTS, how]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    assert faults("keep") < 0.1 * faults("default")
