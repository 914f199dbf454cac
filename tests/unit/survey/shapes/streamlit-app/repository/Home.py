import streamlit as st

st.title(st.secrets.get("title", "Hello"))
