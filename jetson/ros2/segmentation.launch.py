"""Starts edgeunet on a topic of images: `ros2 launch jetson/ros2/segmentation.launch.py model:=model.engine`.

Not run with ROS 2 here. A test reads it with stand-ins for `launch`, and checks the command.
"""

from __future__ import annotations

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess
from launch.substitutions import LaunchConfiguration


def generate_launch_description() -> LaunchDescription:
    """The arguments, and the command that runs until the launch ends; it is started again if it fails."""
    arguments = (
        DeclareLaunchArgument("model", description="The model file, .onnx or .engine."),
        DeclareLaunchArgument("image", default_value="/camera/image_raw", description="The topic of images."),
        DeclareLaunchArgument("masks", default_value="/segmentation", description="The topic of masks."),
        DeclareLaunchArgument("deadline_ms", default_value="100", description="Older masks are late."),
        DeclareLaunchArgument("edgeunet", default_value="edgeunet", description="The command, of its venv."),
    )
    command = (
        LaunchConfiguration("edgeunet"),
        "camera",
        LaunchConfiguration("model"),
        "--source",
        ["ros2://", LaunchConfiguration("image")],
        "--ros2",
        LaunchConfiguration("masks"),
        "--deadline-ms",
        LaunchConfiguration("deadline_ms"),
    )
    process = ExecuteProcess(cmd=command, output="screen", respawn=True, respawn_delay=2.0)
    return LaunchDescription([*arguments, process])
