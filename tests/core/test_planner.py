"""The planner process, as the C programs that ask it see it: a real planner.py with a stand-in for
the planning itself (opencu.runtime.plan), so that a test says what is planned, and how it fails."""

import os
import re
import signal
import subprocess
import time

import pytest
from planning import NO_STORE


def test_an_unknown_class_is_planned_stored_and_run(planner, ask):
    (said,) = ask()
    assert (said["status"], said["calls"], said["stored"], said["ran"]) == ("OCU_OK", "1", "1", "1")
    assert len(planner.log("make")) == 1
    (said,) = ask()
    assert (said["status"], said["calls"]) == ("OCU_OK", "0")


def test_without_a_store_the_planner_is_the_programs_own(planner, ask):
    (said,) = ask(**NO_STORE)
    assert (said["status"], said["calls"], said["stored"], said["ran"]) == ("OCU_OK", "1", "0", "1")
    assert ask(**NO_STORE)[0]["status"] == "OCU_OK"
    assert len(planner.pids()) == 2


def test_many_processes_start_one_planner_and_plan_a_class_once(planner, run):
    command = [run.program("plans"), "ask"]
    environment = run.environment | {"OPENCU_PYTHON": planner.behave(make="time.sleep(0.3)")}
    started = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(64)
    ]
    answers = [process.communicate(timeout=40)[0] for process in started]
    assert all(answer.startswith("OCU_OK") for answer in answers)
    assert len(planner.pids()) == 1
    assert len(planner.log("make")) == 1


def test_threads_of_a_program_ask_once(planner, ask):
    (said,) = ask("threads_ask")
    assert (said["calls"], said["ran"]) == ("1", "8")


def test_the_hosts_wait_and_sigchld_never_see_the_planner(planner, ask):
    assert ask("unseen", OPENCU_PLANNER_IDLE="0.5")[0]["calls"] == "1"
    assert not planner.running()


def test_the_planner_inherits_no_descriptor_and_no_loader_variable(planner, run):
    start = (
        'log("fds " + " ".join(sorted(os.listdir("/proc/self/fd"), key=int)));'
        'log("env " + " ".join(sorted(k for k in os.environ if k.startswith("LD_"))));'
        'log(f"session {os.getsid(0)}");'
        'log("cwd " + os.getcwd());'
        'log("blocked " + str(len(signal.pthread_sigmask(signal.SIG_BLOCK, []))))'
    )
    read, write = os.pipe()
    done = subprocess.run(
        [run.program("plans"), "ask"],
        env=run.environment | {"OPENCU_PYTHON": planner.behave(start=start), "LD_PRELOAD": ""},
        pass_fds=[write],
        timeout=20,
    )
    os.close(write)
    assert done.returncode == 0
    assert os.read(read, 1) == b""  # nobody keeps the pipe open though the planner still runs
    os.close(read)
    fds = planner.log("fds")[0].split()
    assert fds[:4] == ["0", "1", "2", "3"]
    assert len(fds) <= 6  # the script, and the listing itself
    assert planner.log("env") == [""]
    assert planner.log("cwd") == ["/"]
    assert planner.log("blocked") == ["0"]
    assert int(planner.log("session")[0]) != os.getsid(0)


def test_a_planning_failure_is_the_callers_message(planner, ask):
    planner.behave(make='raise ValueError("no kernel does that")')
    (said,) = ask()
    assert said["status"] == "OCU_NO_PLAN"
    pattern = r"no plan for x86-64-\w+-ff74657374[0-9a-f]{22}: ValueError: no kernel does that"
    assert re.fullmatch(pattern, said["error"])


def test_a_python_that_cannot_be_started_is_said_in_one_sentence(ask):
    for store in ({}, NO_STORE):
        (said,) = ask(OPENCU_PYTHON="/nonexistent/python", **store)
        assert said["status"] == "OCU_NO_PLAN"
        assert said["error"].endswith(
            "the planner /nonexistent/python could not be started: No such file or directory;"
            " set OPENCU_PYTHON to a Python that has opencu installed"
        )


@pytest.mark.parametrize("how", ["start", "make"])
def test_a_planner_that_dies_is_started_again_and_then_reported(planner, ask, how, package):
    python = planner.behave(**{how: "os._exit(1)"})
    (said,) = ask()
    assert said["status"] == "OCU_NO_PLAN"
    command = f"`{python} -I {package}/planner.py`"
    assert f"the planner ended without an answer; {command} shows why" in said["error"]
    assert 2 <= len(planner.pids()) <= 3


@pytest.mark.parametrize("how", [pytest.param("start", marks=pytest.mark.slow), "make"])
def test_a_planner_that_hangs_is_given_up_in_time(planner, ask, how):
    planner.behave(**{how: "time.sleep(30)"})
    began = time.monotonic()
    (said,) = ask(OPENCU_PLANNER_TIMEOUT="1")
    assert time.monotonic() - began < 3
    assert "the planner gave no answer in 1 seconds (OPENCU_PLANNER_TIMEOUT)" in said["error"]


def test_a_timeout_that_means_nothing_is_told_once(planner, run):
    said = "is not a number of seconds from 1 to 86400; using 60\n"
    done = run("plans", "ask_twice", OPENCU_PLANNER_TIMEOUT="soon")
    assert done.stderr == f"opencu: OPENCU_PLANNER_TIMEOUT=soon {said}"


def test_a_planner_that_answers_nonsense_is_refused(planner, ask):
    planner.behave(make='return b"nonsense"')
    (said,) = ask()
    assert (said["status"], said["ran"]) == ("OCU_NO_PLAN", "0")
    assert "this plan cannot be used" in said["error"]


def test_a_planner_leaves_when_idle_and_another_takes_its_place(planner, ask):
    first, second = ask("ask_twice", OPENCU_PLANNER_IDLE="0.3")
    assert first["status"] == "OCU_OK"
    assert second["error"].endswith("answered with the plan of another class")
    assert len(planner.pids()) == 2


def test_a_killed_planner_is_replaced(planner, ask):
    assert ask()[0]["status"] == "OCU_OK"
    os.kill(planner.pids()[0], signal.SIGKILL)
    for entry in planner.folder.parent.glob("store/*/*.plan"):
        entry.unlink()
    assert ask()[0]["status"] == "OCU_OK"
    assert len(planner.pids()) == 2


def test_a_python_in_the_package_is_found_without_a_variable(planner, ask, package):
    (package / "lib/python.txt").write_text(planner.behave() + "\n")
    assert ask(OPENCU_PYTHON="")[0]["status"] == "OCU_OK"


def test_the_host_never_loads_python(planner, run):
    done = run("plans", "ask", "maps")
    assert "python" not in done.stdout.lower()
    assert "libopencu.so" in done.stdout
