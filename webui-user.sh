#!/usr/bin/env bash
# Settings for this machine, read by webui.sh before anything else. Take away the # in front of a line to use it.

# Arguments for the program, for example "--listen --api"
#export COMMANDLINE_ARGS=""

# The Python to make the virtual environment with: 3.10 or newer
#python_cmd="python3"

# The folder of the virtual environment; "-" = none, install into the Python above
#venv_dir="venv"

# How torch is installed, for example for a CPU without the CUDA libraries:
#export TORCH_COMMAND="pip install torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu"
