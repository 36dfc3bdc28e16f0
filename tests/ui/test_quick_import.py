import subprocess
import sys

from backend.workers.process import ROOT


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_gradio_writes_no_stubs_and_its_components_have_their_events():
    code = """
from ui import quick_import
quick_import.leave_out_stubs()
import gradio, gradio.component_meta, gradio.blocks_events, sys
print(gradio.component_meta.create_or_modify_pyi is gradio.blocks_events.create_or_modify_pyi is quick_import.write_nothing)
print(callable(gradio.Button.click), callable(gradio.Blocks.load), len([finder for finder in sys.meta_path if 'quick' in type(finder).__module__]))
"""
    assert run(code).split() == ["True", "True", "True", "0"]


def test_it_is_too_late_once_gradio_is_there():
    code = """
import sys
from ui import quick_import
sys.modules[quick_import.MODULE] = sys
before = len(sys.meta_path)
quick_import.leave_out_stubs()
print(len(sys.meta_path) - before)
"""
    assert run(code).strip() == "0"
