"""A measuring program that is told what to do while it runs."""

import json
import subprocess

END_SECONDS = 10
NICENESS = 5


class ToldProgram:
    """It gets a line on its standard input for everything that it is to do, and answers each with one of JSON. It runs on the
    load generator's core until the block is left: then its input ends, and so does it. It gives way to the generator, which
    after a wait asks many questions at once."""

    def __init__(self, bench, name, *arguments):
        self.name = name
        command = ["nice", "-n", NICENESS, "taskset", "-c", bench.load_core, bench.program(name), *arguments]
        self._process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, text=True, bufsize=1)

    @property
    def pid(self):
        return self._process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self._process.communicate(timeout=END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()

    def begin(self, line):
        """Tells it, and leaves its answer for later."""
        try:
            self._process.stdin.write(line + "\n")
        except BrokenPipeError:
            raise self._ended() from None

    def answer(self):
        """To the first line that has none yet."""
        answer = self._process.stdout.readline()
        if not answer:
            raise self._ended()
        return json.loads(answer)

    def tell(self, line):
        self.begin(line)
        return self.answer()

    def _ended(self):
        try:
            return RuntimeError(f"{self.name} ended with {self._process.wait(END_SECONDS)}")
        except subprocess.TimeoutExpired:
            return RuntimeError(f"{self.name} has closed its output and runs on")
