import os

import gradio as gr
import openai

client = openai.OpenAI(api_key=os.environ["OPENAI_API_KEY"])
demo = gr.Interface(fn=lambda text: text, inputs="text", outputs="text")

if __name__ == "__main__":
    demo.launch()
